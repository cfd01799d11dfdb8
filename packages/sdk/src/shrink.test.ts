import fc from 'fast-check'
import { expect, test } from 'vitest'
import { shrink } from './shrink.ts'

/** Fails with every list that holds all of these. */
function failsWith<F>(guilty: readonly F[], seen: (readonly F[])[] = []): (faults: readonly F[]) => void {
  return faults => {
    seen.push(faults)
    if (guilty.every(one => faults.includes(one))) throw new Error(`failed with ${faults.length}`)
  }
}

test('what alone makes the run fail is found among much else', async () => {
  const faults = Array.from({ length: 64 }, (_, n) => `fault ${n}`)
  const { faults: shortest, error, runs } = await shrink(faults, failsWith(['fault 41']))
  expect(shortest).toEqual(['fault 41'])
  expect(error).toEqual(new Error('failed with 1'))
  expect(runs).toBeLessThan(20)
})

test('two faults that only together make it fail are found, however far apart', async () => {
  const faults = Array.from({ length: 100 }, (_, n) => n)
  const { faults: shortest, runs } = await shrink(faults, failsWith([3, 97]))
  expect(shortest).toEqual([3, 97])
  expect(runs).toBeLessThan(100)
})

test('a run that fails without any fault is told as such', async () => {
  expect(await shrink([1, 2, 3], () => Promise.reject(new Error('broken anyway')))).toEqual({
    faults: [],
    error: new Error('broken anyway'),
    runs: 2,
  })
})

test('a run that does not fail with all of them is an error of its own', async () => {
  await expect(shrink([1, 2], () => {})).rejects.toThrow('the run does not fail with all 2 faults')
})

test('it stops at the limit with the shortest so far, which fails', async () => {
  const faults = Array.from({ length: 100 }, (_, n) => n)
  const { faults: shortest, runs } = await shrink(faults, failsWith([0, 50, 99]), { limit: 10 })
  expect(runs).toBeLessThanOrEqual(10)
  expect(shortest).toEqual(expect.arrayContaining([0, 50, 99]))
})

test('the result fails, keeps the order, and passes without any one of its faults; no list is tried that is none of the given', async () => {
  const input = fc.uniqueArray(fc.nat(1000), { maxLength: 40 }).chain(faults =>
    fc.record({
      faults: fc.constant(faults),
      // Fails if all of one of these groups are there: not monotone in any other way.
      groups: fc.array(fc.subarray(faults, { maxLength: Math.min(5, faults.length) }), { minLength: 1, maxLength: 3 }),
    }),
  )
  await fc.assert(
    fc.asyncProperty(input, async ({ faults, groups }) => {
      const fails = (list: readonly number[]): boolean => groups.some(group => group.every(one => list.includes(one)))
      const { faults: shortest } = await shrink(
        faults,
        list => {
          expect(list).toEqual(faults.filter(one => list.includes(one)))
          if (fails(list)) throw new Error('failed')
        },
        { limit: 100_000 },
      )
      expect(fails(shortest)).toBe(true)
      for (const left of shortest) expect(fails(shortest.filter(one => one !== left))).toBe(false)
    }),
  )
})

test.each([
  [() => shrink('faults' as never, () => {}), 'expected a list of faults, got string'],
  [() => shrink([], undefined as never), 'expected a function, got undefined'],
  [() => shrink([], () => {}, { limit: 0 }), 'expected a positive integer, got 0'],
])('what cannot be meant is an error: %#', async (call, text) => {
  await expect(call()).rejects.toThrow(text)
})
