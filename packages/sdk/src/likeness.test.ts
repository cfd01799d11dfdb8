import { expect, test } from 'vitest'
import { likeness } from './likeness.ts'

test.each([
  [{ action: 'ATTACH', channel: 'a' }, { action: 'ATTACH', channel: 'a' }, 1],
  [{ action: 'ATTACH', channel: 'b' }, { action: 'ATTACH', channel: 'a' }, 0.5],
  [{ a: { b: 1, c: 2 } }, { a: { b: 1, c: 3 }, d: 4 }, 1 / 3],
  [{ id: 'x1' }, { id: /^x/ }, 1],
  [{ id: 5 }, { id: expect.any(Number) }, 1],
  ['text', { a: 1 }, 0],
  [{}, {}, 0],
])('%o resembles %o by %d', (value, match, share) => {
  expect(likeness(value, match)).toBeCloseTo(share)
})
