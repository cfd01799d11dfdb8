import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readVarint, varint } from './varint.ts'

test.each([
  [0, [0x00]],
  [127, [0x7f]],
  [128, [0x80, 0x01]],
  [16_383, [0xff, 0x7f]],
  [16_384, [0x80, 0x80, 0x01]],
  [2 ** 32, [0x80, 0x80, 0x80, 0x80, 0x10]],
])('%i is written in as few bytes as can be', (value, bytes) => {
  expect([...varint(value)]).toEqual(bytes)
  expect(readVarint(Uint8Array.from(bytes), 0, 5)).toEqual({ value, size: bytes.length })
})

test('what is written is read, anywhere, and not before its end has come', () => {
  fc.assert(
    fc.property(fc.nat({ max: 2 ** 34 }), fc.uint8Array(), (value, before) => {
      const bytes = Buffer.concat([before, varint(value)])
      expect(readVarint(bytes, before.length, 5)).toEqual({ value, size: bytes.length - before.length })
      expect(readVarint(bytes.subarray(0, -1), before.length, 5)).toBeUndefined()
    }),
  )
})

test('one that is too long is refused', () => {
  expect(() => readVarint(Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x01), 0, 4)).toThrow('a length of more than 4 bytes')
})
