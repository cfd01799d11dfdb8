import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Case } from '../case.ts'

const run = promisify(execFile)

/** Measured inside a process of its own, which has loaded vitest before, as every test file has. */
const script = (module: string): string =>
  `await import('vitest'); const started = performance.now(); await import('${module}'); console.log(performance.now() - started)`

/** What the first line of a test file costs. */
export const importing: readonly Case[] = [
  {
    title: 'import in a fresh process, vitest loaded before',
    unit: 'ms',
    scheme: 'ws',
    variants: ['ws', '@midwire/proxy', '@midwire/sdk', '@midwire/vitest-plugin'],
    baseline: 'ws',
    targets: [{ variant: '@midwire/vitest-plugin', of: 'value', atMost: 100 }],
    prepare: async lane => ({
      async sample() {
        const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script(lane.variant)], { cwd: import.meta.dirname })
        return Number(stdout)
      },
      done: async () => {},
    }),
  },
]
