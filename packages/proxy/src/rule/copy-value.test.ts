import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { copyValue } from './copy-value.ts'

test('a copy is equal, and shares no object with its original', () => {
  fc.assert(
    fc.property(fc.object({ withDate: true, withBigInt: true, withMap: true, withSet: true, withTypedArray: true }), value => {
      const copy = copyValue(value)
      expect(copy).toEqual(value)
      expect(copy).not.toBe(value)
      for (const key of Object.keys(value))
        if (typeof value[key] === 'object' && value[key] !== null) expect(copy[key]).not.toBe(value[key])
    }),
  )
})

test('a Buffer stays a Buffer, with bytes of its own', () => {
  const value = { payload: Buffer.from('abc') }
  const copy = copyValue(value)
  copy.payload[0] = 0x78
  expect(copy.payload.toString()).toBe('xbc')
  expect(value.payload.toString()).toBe('abc')
})

test('an object that stands in two places, or within itself, does so in the copy', () => {
  const shared = { n: 1 }
  const value: { a: object; b: object; self?: object } = { a: shared, b: shared }
  value.self = value
  const copy = copyValue(value)
  expect(copy.a).toBe(copy.b)
  expect(copy.self).toBe(copy)
})

test('what has no copy is said at once', () => {
  expect(() => copyValue({ promise: Promise.resolve() })).toThrow('could not be cloned')
})
