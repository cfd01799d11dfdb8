import { spawnSync } from 'node:child_process'
import { globSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readBlocks } from './readme-blocks.ts'
import type { ReadmeBlock } from './readme-blocks.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const require = createRequire(import.meta.url)

/** What blocks that are parts of a test take for granted. */
const around = `
import type { InterceptionProxy } from '@midwire/sdk'

declare global {
  interface ProtocolMessage {
    readonly action: string
    readonly id?: number
    readonly channel?: string
    readonly text?: string
    readonly msgSerial?: number
  }
  class Realtime {
    constructor(options: { readonly key: string })
    channel(name: string): { publish(text: string): Promise<void> }
  }
  const key: string
  const proxy: InterceptionProxy<ProtocolMessage>
  const expect: typeof import('vitest').expect
}
`

/** It shows tests of the examples, which are run there. */
const quoting = 'docs/side-by-side.md'
const files = ['README.md', ...globSync(['packages/*/README.md', 'docs/*.md'], { cwd: root }).sort()]
  .filter(file => file !== quoting)
  .map(file => join(root, file))
const blocks: readonly ReadmeBlock[] = files.flatMap(file => readBlocks(file, root))

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'midwire-readme-'))
  const modules = join(folder, 'node_modules')
  mkdirSync(join(modules, '@midwire'), { recursive: true })
  for (const name of ['proxy', 'sdk', 'vitest-plugin']) symlinkSync(join(root, 'packages', name), join(modules, '@midwire', name))
  for (const name of ['vitest', '@types']) symlinkSync(join(root, 'node_modules', name), join(modules, name))
  for (const name of ['msw', 'zod']) symlinkSync(join(root, 'packages', 'sdk', 'node_modules', name), join(modules, name))
  symlinkSync(join(root, 'packages', 'vitest-plugin', 'node_modules', '@vitest'), join(modules, '@vitest'))
  symlinkSync(join(root, 'examples', 'browser', 'node_modules', 'playwright-core'), join(modules, 'playwright-core'))
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(folder, 'around.d.ts'), around)
  const compilerOptions = {
    noEmit: true,
    isolatedDeclarations: false,
    declaration: false,
    typeRoots: [join(root, 'node_modules', '@types')],
  }
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: join(root, 'tsconfig.base.json'), compilerOptions, include: ['*.ts'] }),
  )
  writeFileSync(join(folder, 'vitest.config.mjs'), 'export default { test: { include: ["*.test.ts"] } }')
  for (const { name, code, isRun } of blocks) writeFileSync(join(folder, `${name}${isRun ? '.test' : ''}.ts`), code)
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

test('every README has blocks to show', () => {
  const shown = new Set(blocks.map(({ place }) => place.replace(/:\d+$/, '')))
  expect([...shown].sort()).toEqual([
    'README.md',
    'docs/codecs.md',
    'docs/what-users-report.md',
    'packages/cli/README.md',
    'packages/proxy/README.md',
    'packages/sdk/README.md',
    'packages/vitest-plugin/README.md',
  ])
})

test('what the READMEs show has the types that it needs', { timeout: 60_000 }, () => {
  expect(run(join(dirname(require.resolve('typescript/package.json')), 'bin', 'tsc'), '-p', folder)).toEqual({ status: 0, output: '' })
})

test('what the READMEs show as a test passes', { timeout: 60_000 }, () => {
  const vitest = join(dirname(require.resolve('vitest/package.json')), 'vitest.mjs')
  const { status, output } = run(vitest, 'run', '--root', folder)
  expect(output).toMatch(new RegExp(`Test Files +${blocks.filter(({ isRun }) => isRun).length} passed`))
  expect(status).toBe(0)
})

function run(script: string, ...args: string[]): { status: number | null; output: string } {
  const env: NodeJS.ProcessEnv = { ...process.env }
  for (const name of Object.keys(env)) if (/^VITEST|^NODE_OPTIONS$|^TEST$/.test(name)) delete env[name]
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args], { cwd: folder, env, encoding: 'utf8' })
  return { status, output: stripVTControlCharacters(stdout + stderr) }
}
