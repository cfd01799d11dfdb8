import { expect, test } from 'vitest'
import { describeValue } from './describe-value.ts'

test.each<[unknown, string]>([
  [{ action: 'ATTACH', 'a-b': [1, true, null] }, '{ action: "ATTACH", "a-b": [1, true, null] }'],
  [new Uint8Array(0), '0 bytes'],
  [Uint8Array.of(0), '1 byte'],
  [Buffer.from('hello'), '5 bytes "hello"'],
  [Buffer.from('grün'), '5 bytes'],
  [Buffer.from('x'.repeat(41)), '41 bytes'],
  [/a+/, '/a+/'],
  [{ payload: Buffer.from('a "b"') }, '{ payload: 5 bytes "a \\"b\\"" }'],
  ['x'.repeat(200), `"${'x'.repeat(118)}…`],
])('%j is shown in one short line', (value, text) => {
  expect(describeValue(value)).toBe(text)
})
