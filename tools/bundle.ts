// Puts what tsc left in dist/ into one file for each entry point of a package, in bundle/: Node takes 0.5 ms for each file it loads, and
// every test file pays for all of them. Types stay where tsc put them.
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { isAbsolute, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'

interface Entry {
  readonly types: string
  /** What a page gets. */
  readonly browser?: string
  readonly default: string
}

interface Manifest {
  readonly publishConfig: {
    readonly exports: Readonly<Record<string, string | Entry>>
    readonly bin?: Readonly<Record<string, string>>
  }
}

for (const name of ['proxy', 'sdk', 'vitest-plugin', 'cli']) await bundle(fileURLToPath(new URL(`../packages/${name}`, import.meta.url)))

async function bundle(folder: string): Promise<void> {
  const { publishConfig } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest
  const input: Record<string, string> = {}
  for (const entry of Object.values(publishConfig.exports)) {
    if (typeof entry === 'string') continue
    const name = relative('bundle', entry.default).replace(/\.js$/, '')
    assert.equal(entry.types, `./dist/${name}.d.ts`)
    input[name] = join(folder, 'dist', `${name}.js`)
    if (entry.browser === undefined) continue
    const inPages = relative('bundle', entry.browser).replace(/\.js$/, '')
    input[inPages] = join(folder, 'dist', `${inPages}.js`)
  }
  for (const file of Object.values(publishConfig.bin ?? {})) {
    const name = relative('bundle', file).replace(/\.js$/, '')
    input[name] = join(folder, 'dist', `${name}.js`)
  }
  rmSync(join(folder, 'bundle'), { recursive: true, force: true })
  const build = await rolldown({
    input,
    platform: 'node',
    external: id => !id.startsWith('.') && !isAbsolute(id),
    treeshake: { moduleSideEffects: true },
  })
  await build.write({
    dir: join(folder, 'bundle'),
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: 'shared/[name].js',
  })
}
