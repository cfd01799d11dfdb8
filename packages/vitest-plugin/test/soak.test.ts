import { beforeAll, expect, test } from 'vitest'
import { runFixtures } from './fixture-run.ts'
import type { FixtureRun } from './fixture-run.ts'

let first: FixtureRun
let again: FixtureRun
beforeAll(async () => {
  first = await runFixtures({ files: ['soak'] })
  again = await runFixtures({ files: ['soak'], env: { MIDWIRE_SEED: seedOf(first, 'a soak') } })
}, 60_000)

test('a soak that fails by itself shows the faults that were applied, to be copied, and the seed', () => {
  expect(first.test(' > a soak').errors[0]?.message).toMatch(/to have a length of 30 but got/)
  const wire = wireOf(first, 'a soak')
  expect(wire).toMatch(/ {2}chaos \(soak\.fixture\.ts:\d+\), seed \d+: \d+ faults? in 30 messages; the same again, and nothing else:\n/)
  expect(wire).toMatch(/ {4}proxy\.replay\(\['#1 client \d+ (drop|delay [0-3])'(, '#1 client \d+ (drop|delay [0-3])')*\]\)\n/)
  expect(wire).toMatch(/ {2}seed: \d+ \(MIDWIRE_SEED=\d+ draws the same again\)/)
  expect(first.output).toContain('proxy.replay([')
})

test('with that seed, each test meets the same faults again', () => {
  for (const name of ['a soak', 'a repeated soak']) expect(replaysOf(again, name)).toEqual(replaysOf(first, name))
})

test('two tests, and two runs of one test, meet faults of their own', () => {
  const all = [...replaysOf(first, 'a soak'), ...replaysOf(first, 'a repeated soak')]
  expect(all.length).toBeGreaterThan(1)
  expect(new Set(all).size).toBe(all.length)
})

function wireOf(run: FixtureRun, name: string): string {
  const { annotations } = run.test(` > ${name}`)
  return annotations.flatMap(({ type, message }) => (type === 'wire' ? [message] : [])).join('\n')
}

function seedOf(run: FixtureRun, name: string): string {
  return /MIDWIRE_SEED=(\d+)/.exec(wireOf(run, name))?.[1] ?? 'none'
}

function replaysOf(run: FixtureRun, name: string): string[] {
  return wireOf(run, name).match(/proxy\.replay\(.*\)/g) ?? []
}
