import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonArray, one, separated } from './packing.ts'
import type { Packing } from './packing.ts'

function split(packing: Packing, text: string): string[] | undefined {
  return packing.split(Buffer.from(text))?.map(part => Buffer.from(part).toString())
}

function join(packing: Packing, parts: readonly string[]): string | undefined {
  const joined = packing.join(parts.map(part => Buffer.from(part)))
  return joined && Buffer.from(joined).toString()
}

test('an array falls into its elements, whatever is nested in them or written in strings', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 6 }), fc.constantFrom(undefined, 1, '\t'), (values, indent) => {
      const text = JSON.stringify(values, undefined, indent)
      expect(split(jsonArray(), text)?.map(part => JSON.stringify(JSON.parse(part)))).toEqual(values.map(value => JSON.stringify(value)))
      const again: unknown = JSON.parse(join(jsonArray(), split(jsonArray(), text) ?? []) ?? '')
      expect(JSON.stringify(again)).toBe(JSON.stringify(values))
    }),
  )
})

test('what is no array carries no messages', () => {
  for (const text of ['{"error":1}', '', 'null', '[', ']', '[1}']) expect(split(jsonArray(), text)).toBeUndefined()
})

test('an emptied array is an empty array', () => {
  expect(join(jsonArray(), [])).toBe('[]')
  expect(split(jsonArray(), ' [ ] ')).toEqual([])
})

test('separated messages, and what stands for none of them', () => {
  const packets = separated('\x1e', { empty: '6' })
  expect(split(packets, '4a\x1e4b\x1e2')).toEqual(['4a', '4b', '2'])
  expect(join(packets, ['4a', '2'])).toBe('4a\x1e2')
  expect(join(packets, [])).toBe('6')
})

test('one message a payload: of none there is no payload', () => {
  expect(split(one, 'a,b')).toEqual(['a,b'])
  expect(join(one, [])).toBeUndefined()
})
