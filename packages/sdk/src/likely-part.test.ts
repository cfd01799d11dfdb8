import { expect, test } from 'vitest'
import { likelyPart } from './likely-part.ts'

test('keys that the match does not have are left out, at every depth', () => {
  expect(likelyPart({ a: 1, b: { c: 2, d: 3 }, e: 4 }, { a: 0, b: { c: 0 } })).toEqual({ a: 1, b: { c: 2 } })
})

test('a part that is met is shown as it was asked for, so that it does not differ', () => {
  const match = { id: expect.any(Number), text: /^o/, n: 2 }
  const part = likelyPart({ id: 7, text: 'one', n: 1 }, match)
  expect(part).toHaveProperty('id', match.id)
  expect(Reflect.get(Object(part), 'text')).toBe(match.text)
  expect(Reflect.get(Object(part), 'n')).toBe(1)
})

test('keys that are missing stay missing, and lists are compared item by item', () => {
  expect(likelyPart({ list: [{ a: 1, b: 1 }, 5] }, { list: [{ a: 2 }], more: 1 })).toEqual({ list: [{ a: 1 }, 5] })
  expect(likelyPart('text', { a: 1 })).toBe('text')
  expect(likelyPart(5, [1])).toBe(5)
})
