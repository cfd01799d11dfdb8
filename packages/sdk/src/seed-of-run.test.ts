import { expect, test } from 'vitest'
import { seedFromEnvironment } from './seed-of-run.ts'

test('the seed that a failure shows is taken from the environment', () => {
  expect(seedFromEnvironment({ MIDWIRE_SEED: '4711' })).toBe(4711)
  expect(seedFromEnvironment({ MIDWIRE_SEED: '' })).toBeUndefined()
  expect(seedFromEnvironment({})).toBeUndefined()
})

test.each(['x', '1.5', '12345678901234567890'])('MIDWIRE_SEED=%s is an error that says what would be right', text => {
  expect(() => seedFromEnvironment({ MIDWIRE_SEED: text })).toThrow('MIDWIRE_SEED: expected an integer')
})
