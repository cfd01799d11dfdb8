import { constants, deflateRawSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { deflate, inflate } from './deflate.ts'

test.for(['', 'Hello', 'a'.repeat(100_000)])('what was deflated inflates to itself', text => {
  expect(inflate(deflate(Buffer.from(text)), 1e6).toString()).toBe(text)
})

test('RFC 7692 §7.2.3.1: the example', () => {
  expect(inflate(Buffer.from('f248cdc9c90700', 'hex'), 100).toString()).toBe('Hello')
  expect(deflate(Buffer.from('Hello')).toString('hex')).toBe('f248cdc9c90700')
})

test('RFC 7692 §7.2.3.4: a block with BFINAL set inflates too', () => {
  expect(inflate(Buffer.from('f348cdc9c9070000', 'hex'), 100).toString()).toBe('Hello')
})

test('a message that inflates to more than the limit throws, however small it came (T67)', () => {
  expect(() => inflate(deflate(Buffer.alloc(1e6)), 1e5)).toThrow(RangeError)
})

test('bytes that are no DEFLATE stream throw', () => {
  expect(() => inflate(Buffer.from('ffff', 'hex'), 100)).toThrow(/invalid/)
})

test('no more than the agreed window is used', () => {
  const noise = Buffer.from(Array.from({ length: 600 }, (_, i) => (i * i * 31 + (i >> 3)) & 0xff))
  const far = Buffer.concat([noise, noise])
  const small = deflate(far, 9)
  expect(inflate(small, 1e6)).toEqual(far)
  const whole = deflateRawSync(far, { finishFlush: constants.Z_SYNC_FLUSH })
  expect(small.length).toBeGreaterThan(whole.length)
})
