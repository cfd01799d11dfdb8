import { expect, test } from 'vitest'
import { mergePatch } from './merge-patch.ts'

test('objects are merged deeply, all else as a whole', () => {
  const value = { action: 'CONNECTED', details: { ttl: 1, key: 'k' }, list: [1, 2] }
  expect(mergePatch(value, { details: { ttl: 9 }, list: [3] })).toEqual({ action: 'CONNECTED', details: { ttl: 9, key: 'k' }, list: [3] })
})

test('a key that is undefined in the patch goes', () => {
  expect(Object.keys(mergePatch({ a: 1, b: 2 }, { a: undefined }) as object)).toEqual(['b'])
})

test('the patch itself is not shared with what it was merged into', () => {
  const patch = { list: [1] }
  const merged = mergePatch({}, patch) as { list: number[] }
  merged.list.push(2)
  expect(patch.list).toEqual([1])
})

test('a value that is no object takes a patch that is none', () => {
  expect(mergePatch('a', 'b')).toBe('b')
})

test.each([
  ['a', 'string'],
  [[1], 'an array'],
  [null, 'null'],
  [new Uint8Array(1), 'Uint8Array'],
])('an object cannot be merged into %o', (value, name) => {
  expect(() => mergePatch(value, { a: 1 })).toThrow(`patch(partial): expected an object to merge { a } into, got ${name}`)
})

test('a key called __proto__ stays a key', () => {
  const merged = mergePatch({}, JSON.parse('{"__proto__":{"polluted":1}}') as object) as object
  expect(Reflect.get({}, 'polluted')).toBeUndefined()
  expect(Object.hasOwn(merged, '__proto__')).toBe(true)
})
