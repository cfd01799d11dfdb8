import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Case } from '../case.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')

/**
 * Measured inside a process of its own, which has loaded vitest before, as every test file has. Our packages are taken as they are
 * published, from `dist`: to strip types costs ten times what they cost.
 */
const script = (module: string): string => `
  import { registerHooks } from 'node:module'
  const built = url => url.includes('/packages/') ? url.replace('/src/', '/dist/').replace(/\\.ts$/, '.js') : url
  registerHooks({ resolve: (specifier, context, next) => { const found = next(specifier, context); return { ...found, url: built(found.url), format: undefined } } })
  await import('vitest')
  const started = performance.now()
  await import('${module}')
  console.log(performance.now() - started)`

/** What the first line of a test file costs. */
export const importing: readonly Case[] = [
  {
    title: 'import in a fresh process, vitest loaded before',
    unit: 'ms',
    scheme: 'ws',
    variants: ['ws', '@midwire/proxy', '@midwire/sdk', '@midwire/vitest-plugin'],
    baseline: 'ws',
    targets: [{ variant: '@midwire/vitest-plugin', of: 'value', atMost: 100 }],
    async prepare({ variant }) {
      await run(join(root, 'node_modules/.bin/tsc'), ['-b', join(root, 'tsconfig.build.json')])
      return {
        async sample() {
          const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script(variant)], { cwd: import.meta.dirname })
          return Number(stdout)
        },
        done: async () => {},
      }
    },
  },
]
