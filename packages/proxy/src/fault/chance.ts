import { seededRandom } from '../random.ts'

/** A number from 0 to 1, 1 excluded; the same ones for the same seed. */
export type Chance = () => number

/** A generator of its own for each of `parts`, so that what one connection draws does not depend on the others. */
export function chanceOf(seed: number, ...parts: readonly number[]): Chance {
  let mixed = seed >>> 0
  for (const part of parts) mixed = (Math.imul(mixed ^ part, 0x9e3779b1) + 0x7f4a7c15) >>> 0
  const random = seededRandom(mixed)
  return () => random() / 2 ** 32
}
