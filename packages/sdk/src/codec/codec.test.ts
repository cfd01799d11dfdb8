import type { Codec, CodecContext } from '@midwire/proxy'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { binary } from './binary.ts'
import { json } from './json.ts'
import { msgpack } from './msgpack.ts'
import { text } from './text.ts'

const context: CodecContext = { from: 'client', binary: false, protocol: '', state: undefined }

function roundTrip<T>(codec: Codec<T>, value: T): T | undefined {
  const encoded = codec.encode(value, context)
  const bytes = new Uint8Array(Buffer.concat([encoded].flat().map(part => (typeof part === 'string' ? Buffer.from(part) : part))))
  const { messages, rest } = codec.decode(bytes, context)
  expect(messages.map(message => message.bytes)).toEqual([bytes])
  expect(rest.byteLength).toBe(0)
  return messages[0]?.value
}

describe('every codec gives back what it has encoded, with the bytes that carried it', () => {
  test('json', () => {
    fc.assert(
      fc.property(fc.jsonValue(), value => {
        expect(JSON.stringify(roundTrip(json(), value))).toBe(JSON.stringify(value))
      }),
    )
  })
  test('text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), value => {
        expect(roundTrip(text(), value)).toBe(value)
      }),
    )
  })
  test('binary', () => {
    fc.assert(
      fc.property(fc.uint8Array(), value => {
        expect(roundTrip(binary(), value)).toEqual(value)
      }),
    )
  })
  test('msgpack', () => {
    const value = { action: 4, list: [1, 'a', null], bytes: new Uint8Array([1, 2]), nested: { x: -1.5 } }
    expect(roundTrip(msgpack(), value)).toEqual(value)
    const packed = Buffer.from(msgpack().encode(value, context) as Uint8Array)
    expect(msgpack().decode(packed, context).messages[0]?.value).toEqual(value)
  })
})

describe('what is not of the protocol is refused', () => {
  test('json: broken text, and values without a JSON form', () => {
    expect(() => json().decode(Buffer.from('{bad'), context)).toThrow(SyntaxError)
    expect(() => json().encode(undefined, context)).toThrow('json: undefined has no JSON form')
  })
  test('json and text: bytes that are not UTF-8 are not silently replaced', () => {
    const broken = Buffer.from([0x22, 0xff, 0x22])
    expect(() => json().decode(broken, context)).toThrow(TypeError)
    expect(() => text().decode(broken, context)).toThrow(TypeError)
  })
  test('json and text: a byte order mark is a character like any other', () => {
    expect(roundTrip(text(), '\uFEFFa')).toBe('\uFEFFa')
  })
  test('msgpack: truncated input', () => {
    expect(() => msgpack().decode(new Uint8Array([0x92, 0x01]), context)).toThrow(RangeError)
  })
  test('text and binary: values of another type', () => {
    expect(() => text().encode(1 as never, context)).toThrow('text: expected a string, got number')
    expect(() => binary().encode('a' as never, context)).toThrow('binary: expected a Uint8Array, got string')
  })
})

test('text codecs encode to strings, binary ones to bytes: that decides the type of an injected message', () => {
  expect(json().encode({ a: 1 }, context)).toBe('{"a":1}')
  expect(text().encode('a', context)).toBe('a')
  expect(msgpack().encode(1, context)).toBeInstanceOf(Uint8Array)
})

test('all four are stateless: payloads are decoded only when somebody looks', () => {
  for (const codec of [json(), text(), binary(), msgpack()]) expect(codec.stateless).toBe(true)
})
