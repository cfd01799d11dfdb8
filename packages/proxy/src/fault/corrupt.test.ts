import { isUtf8 } from 'node:buffer'
import { describe, expect, test } from 'vitest'
import type { Codec } from '../codec.ts'
import type { Corruption } from '../rule/verdict.ts'
import { lineCodec, textCodec, VirtualWire } from '../session/testing/virtual-wire.ts'
import { deflate } from '../ws/deflate.ts'
import { corrupt, rejectedBy } from './corrupt.ts'

const jsonCodec: Codec<unknown> = {
  name: 'json',
  stateless: true,
  decode: bytes => ({ messages: [{ value: JSON.parse(Buffer.from(bytes).toString()), bytes }], rest: Buffer.alloc(0) }),
  encode: value => JSON.stringify(value),
}
const context = { from: 'server', binary: false, protocol: '', url: 'wss://a.test/', state: undefined } as const
const key = 0x37fa213d

/** What becomes of the text `hi` and of the binary message 01 02 03, in hex. */
const table: readonly [how: Corruption, text: string, binary: string][] = [
  ['utf8', '81036869ff', '8104010203ff'],
  ['opcode', '83026869', '8303010203'],
  ['rsv', 'a1026869', 'a203010203'],
  ['control', '897e007e' + '00'.repeat(126), '897e007e' + '00'.repeat(126)],
  ['truncate', '810268', '820301'],
  ['payload', '81036e6f21', '82036e6f21'],
]

describe('corrupt', () => {
  test.for(table)('%s breaks exactly this much of what a server sends', ([how, text, binary]) => {
    const rejected = Buffer.from('no!')
    expect(corrupt(how, { bytes: Buffer.from('hi'), binary: false }, undefined, rejected).bytes.toString('hex')).toBe(text)
    expect(corrupt(how, { bytes: Buffer.from([1, 2, 3]), binary: true }, undefined, rejected).bytes.toString('hex')).toBe(binary)
  })

  test.for(table)('%s is masked where a client sends it (RFC 6455 §5.3)', ([how, text]) => {
    const { bytes } = corrupt(how, { bytes: Buffer.from('hi'), binary: false }, key, Buffer.from('no!'))
    const plain = Buffer.from(text, 'hex')
    const at = (plain[1]! & 0x7f) === 126 ? 4 : 2
    expect(bytes[0]).toBe(plain[0])
    expect(bytes[1]).toBe(plain[1]! | 0x80)
    expect(bytes.subarray(2, at)).toEqual(plain.subarray(2, at))
    expect(bytes.readUInt32BE(at)).toBe(key)
    const masked = bytes.subarray(at + 4).map((byte, i) => byte ^ bytes[at + (i & 3)]!)
    expect(Buffer.from(masked)).toEqual(plain.subarray(at))
  })

  test('truncate never leaves a whole frame, however short the message is', () => {
    for (const text of ['', 'a', 'ab', 'abc', 'x'.repeat(126)]) {
      const broken = corrupt('truncate', { bytes: Buffer.from(text), binary: false }, undefined, Buffer.alloc(0))
      const header = text.length < 126 ? 2 : 4
      expect(broken.bytes.length).toBe(text === '' ? 1 : header + Math.floor(text.length / 2))
      expect(broken.ends).toBe(true)
      expect(broken.payload.length).toBe(Math.floor(text.length / 2))
    }
  })
})

describe('a payload that the codec rejects', () => {
  test.for([['{"action":"ACK"}'], ['[]'], ['1'], ['12'], ['""'], ['{"a":1}']])('is found for %s, and differs from it little', ([text]) => {
    const rejected = rejectedBy(jsonCodec, context, { bytes: Buffer.from(text!), binary: false })
    expect(() => jsonCodec.decode(rejected, context)).toThrow()
    expect(rejected.length).toBeLessThanOrEqual(text!.length + 3)
  })

  test('stays UTF-8 where the message is text: the codec rejects it, and not the receiver', () => {
    for (const text of ['"äöü"', '"€€€"', '"😀😀"', '["ä"]']) {
      const rejected = rejectedBy(jsonCodec, context, { bytes: Buffer.from(text), binary: false })
      expect(isUtf8(rejected)).toBe(true)
      expect(() => jsonCodec.decode(rejected, context)).toThrow()
    }
  })

  test('is half of the message where the codec takes everything', () => {
    expect(Buffer.from(rejectedBy(textCodec, context, { bytes: Buffer.from('abcd'), binary: false })).toString()).toBe('ab')
  })

  test('is looked for without touching the state of the connection', () => {
    const counting: Codec<unknown, { fed: number }> = {
      name: 'counting',
      state: () => ({ fed: 0 }),
      decode(bytes, { state }) {
        state.fed++
        if (bytes.length % 2 === 1) throw new Error('odd')
        return { messages: [{ value: `${state.fed}`, bytes }], rest: Buffer.alloc(0) }
      },
      encode: String,
    }
    const wire = new VirtualWire({ codec: counting })
    wire.rule({ kind: 'corrupt', how: 'payload' }, { match: '1' })
    wire.send('server', 'abcd', 'efgh')
    expect(wire.messages().map(message => message.value)).toEqual(['1', '2'])
    expect(wire.messages()[0]?.delivered?.toString()).toBe('abc')
  })
})

describe('a rule that corrupts', () => {
  test('breaks its message only, in its place, and journals what was written', () => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'corrupt', how: 'rsv' }, { match: 'b' })
    const [a, c] = [wire.frame('server', 'a'), wire.frame('server', 'c')]
    wire.bytes('server', a, wire.frame('server', 'b'), c)
    expect(wire.written('client')).toEqual(Buffer.concat([a, Buffer.from('a10162', 'hex'), c]))
    expect(rule.acted).toBe(1)
    expect(wire.messages().map(message => message.delivered?.toString())).toEqual(['a', 'b', 'c'])
  })

  test('truncate ends both legs right behind, and what follows is discarded', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'corrupt', how: 'truncate' }, { match: 'broken' })
    const outputs = wire.send('server', 'a', 'broken', 'c')
    expect(wire.written('client').toString('latin1')).toBe('\x81\x01a\x81\x06bro')
    expect(outputs.map(output => output.kind)).toEqual(['write', 'write', 'end', 'over'])
    expect(wire.messages().map(message => message.delivered?.toString())).toEqual(['a', 'bro', undefined])
  })

  test('breaks what was compressed as it was before', () => {
    const wire = new VirtualWire({ deflate: { deflate: true } })
    wire.rule({ kind: 'corrupt', how: 'utf8' })
    wire.bytes('server', wire.frame('server', deflate(Buffer.from('hi')), { rsv1: true }))
    expect(wire.written('client').toString('hex')).toBe('81036869ff')
  })

  test('breaks one of several messages in a frame', () => {
    const wire = new VirtualWire({ codec: lineCodec })
    wire.rule({ kind: 'corrupt', how: 'opcode' }, { match: 'b' })
    wire.send('server', 'a\nb\nc\n')
    expect(wire.written('client').toString('latin1')).toBe('\x81\x02a\n\x83\x02b\n\x81\x02c\n')
  })

  test('waits its turn behind a hold; a handler may decide it too', () => {
    const wire = new VirtualWire()
    const held = wire.rule({ kind: 'hold', others: 'wait' }, { match: 'h' })
    wire.ask({ match: 'q' })
    wire.send('server', 'h', 'q')
    wire.decide('q', { kind: 'corrupt', how: 'rsv' })
    expect(wire.written('client').length).toBe(0)
    wire.release(held.held[0])
    expect(wire.written('client').toString('latin1')).toBe('\x81\x01h\xa1\x01q')
  })
})
