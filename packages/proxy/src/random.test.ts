import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deriveSeed, seededRandom } from './random.ts'

test('the same seed draws the same numbers, another one others', () => {
  const draw = (seed: number): number[] => Array.from({ length: 5 }, seededRandom(seed))
  expect(draw(7)).toEqual(draw(7))
  expect(draw(7)).not.toEqual(draw(8))
})

test('a derived seed depends on the seed and on every key, and on their order', () => {
  const seeds = [
    deriveSeed(1),
    deriveSeed(1, 'a'),
    deriveSeed(2, 'a'),
    deriveSeed(1, 'a', 'b'),
    deriveSeed(1, 'b', 'a'),
    deriveSeed(1, 'ab'),
    deriveSeed(1, 1, 11),
    deriveSeed(1, 11, 1),
    deriveSeed(1, '1', 11),
  ]
  expect(new Set(seeds).size).toBe(seeds.length)
  expect(seeds.every(seed => Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32)).toBe(true)
})

test('derived seeds of neighbours are spread evenly', () => {
  fc.assert(
    fc.property(fc.integer(), seed => {
      let high = 0
      for (let n = 0; n < 1000; n++) if (deriveSeed(seed, 'connection', n) >= 2 ** 31) high++
      expect(Math.abs(high - 500)).toBeLessThan(120)
    }),
  )
})
