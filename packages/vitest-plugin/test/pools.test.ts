import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { runFixtures } from './fixture-run.ts'
import type { FixtureOptions } from './fixture-run.ts'

const files = ['scopes', 'bad-use', 'block', 'plain']

// Slower machines start a vitest in seconds.
describe('everything that a scope promises holds, whatever runs at the same time (T98)', { timeout: 60_000 }, () => {
  const ways: readonly (readonly [string, Omit<FixtureOptions, 'files'>])[] = [
    ['in the forks pool', { pool: 'forks' }],
    ['in the threads pool', { pool: 'threads' }],
    // The fixtures use `using`, for which Node 22 has its symbols in no context but the main one.
    ...(runInNewContext('Symbol.asyncDispose') ? ([['in the vmThreads pool', { pool: 'vmThreads' }]] as const) : []),
    ['where files share a worker process', { pool: 'forks', isolate: false, workers: 1 }],
    ['where files share a worker thread', { pool: 'threads', isolate: false, workers: 1 }],
  ]
  test.for(ways)('%s', async ([, options]) => {
    const run = await runFixtures({ files, ...options })
    expect(run.failures).toEqual([])
    expect(run.exitCode).toBe(0)
    expect(run.results.tests.length).toBeGreaterThan(30)
  })

  test('without midwire() in the configuration, under an authority of its own', async () => {
    const run = await runFixtures({ files: ['scopes', 'block'], plugin: false })
    expect(run.failures).toEqual([])
    expect(run.results.tests.length).toBeGreaterThan(20)
  })
})
