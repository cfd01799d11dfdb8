import { describe, expect, test } from 'vitest'
import type { Codec, CodecFrame } from '../codec.ts'
import { VirtualWire } from './testing/virtual-wire.ts'

const nothing = Buffer.alloc(0)
const drop = { kind: 'drop' } as const

interface Pending {
  readonly frames: CodecFrame[]
}

/** A text, and as many binary payloads as its first digit says: `2a` with two of them is one message. */
const attachments: Codec<string, Pending> = {
  name: 'attachments',
  state: () => ({ frames: [] }),
  decode(bytes, { binary, state: { frames } }) {
    frames.push({ size: bytes.length - frames.reduce((sum, { size }) => sum + size, 0), binary })
    const text = Buffer.from(bytes).toString()
    if (frames.length <= Number(text[0])) return { messages: [], rest: bytes }
    return { messages: [{ value: text, bytes, frames: frames.splice(0) }], rest: nothing }
  },
  encode: value => [value, ...Array.from({ length: Number(value[0]) }, (_, n) => Buffer.from(`new ${n}`))],
}

/** Words with commas between them, all in one payload. */
const commas: Codec<string> = {
  name: 'commas',
  decode(bytes) {
    const words = Buffer.from(bytes).toString().split(',')
    const messages = words.map((word, i) => {
      const own = Buffer.from(i < words.length - 1 ? `${word},` : word)
      return word === '?' ? { undecodable: 'a question', bytes: own } : { value: word, bytes: own }
    })
    return { messages, rest: nothing }
  },
  encode: value => value,
  pack: messages => Buffer.from(messages.map(word => Buffer.from(word).toString().replace(/,$/, '')).join()),
}

function withAttachments(): VirtualWire {
  return new VirtualWire({ codec: attachments })
}

function sendOne(wire: VirtualWire): Buffer {
  const frames = [wire.frame('client', '2a'), wire.frame('client', 'x', { opcode: 2 }), wire.frame('client', 'yy', { opcode: 2 })]
  for (const frame of frames) wire.bytes('client', frame)
  return Buffer.concat(frames)
}

describe('a message that several WebSocket messages carry', () => {
  test('leaves as it came if no rule touches it', () => {
    const wire = withAttachments()
    wire.rule(drop, { match: 'nothing' })
    const bytes = sendOne(wire)
    expect(wire.written('server')).toEqual(bytes)
    expect(wire.messages().map(({ value }) => value)).toEqual(['2axyy'])
  })

  test('is dropped with all of them', () => {
    const wire = withAttachments()
    wire.rule(drop)
    sendOne(wire)
    expect(wire.seen('server')).toEqual([])
  })

  test('is delivered again in as many, each of its own type', () => {
    const wire = withAttachments()
    wire.rule({ kind: 'duplicate' }, { then: [{ kind: 'repeat', times: 1 }] })
    sendOne(wire)
    expect(wire.seen('server')).toEqual(['2a', 'b:x', 'b:yy', '2a', 'b:x', 'b:yy'])
    expect(wire.events().filter(({ kind }) => kind === 'injected')).toEqual([expect.objectContaining({ value: '2axyy' })])
  })

  test('is changed to more or fewer: the type of the original does not count', () => {
    const wire = withAttachments()
    wire.rule({ kind: 'replace', fn: () => '1b' }, { times: 1 })
    sendOne(wire)
    expect(wire.seen('server')).toEqual(['1b', 'b:new 0'])
    wire.rule({ kind: 'replace', fn: () => '0c' })
    sendOne(wire)
    expect(wire.seen('server').slice(2)).toEqual(['0c'])
  })

  test('shares its frames with no other', () => {
    const codec: Codec<string> = {
      name: 'head and tail',
      decode(bytes) {
        if (bytes.length === 1) return { messages: [], rest: bytes }
        const own = bytes.subarray(0, 5)
        const frames = [1, 4].map((size, n) => ({ size, binary: n > 0 }))
        return {
          messages: [
            { value: 'framed', bytes: own, frames },
            { value: 'plain', bytes: bytes.subarray(5) },
          ],
          rest: nothing,
        }
      },
      encode: value => Buffer.from(value),
    }
    const wire = new VirtualWire({ codec })
    wire.rule({ kind: 'replace', fn: () => 'changed' }, { match: 'plain' })
    wire.bytes('client', wire.frame('client', 'h'), wire.frame('client', 'tail, and more', { opcode: 2 }))
    expect(wire.seen('server')).toEqual(['h', 'b:tail', 'b:changed'])
  })

  test('is a reply like any other', () => {
    const wire = withAttachments()
    wire.rule({ kind: 'reply', fn: () => '1r' })
    sendOne(wire)
    expect(wire.seen('client')).toEqual(['1r', 'b:new 0'])
    expect(wire.events().filter(({ kind }) => kind === 'injected')).toEqual([expect.objectContaining({ value: '1r' })])
  })
})

describe('a payload that cannot be cut and joined as it is', () => {
  test('is packed again by the codec where one of its messages is missing or changed', () => {
    const wire = new VirtualWire({ codec: commas })
    wire.rule(drop, { match: 'c' })
    wire.rule({ kind: 'replace', fn: () => 'B' }, { match: 'b' })
    wire.send('client', 'a,b,c')
    expect(wire.seen('server')).toEqual(['a,B'])
    wire.send('client', 'x,y,c')
    expect(wire.seen('server')).toEqual(['a,B', 'x,y'])
  })

  test('is journalled with its value where Midwire sends it', () => {
    const wire = new VirtualWire({ codec: commas })
    wire.rule({ kind: 'reply', fn: () => 'r' }, { match: 'a' })
    wire.send('client', 'a')
    expect(wire.events().filter(({ kind }) => kind === 'injected')).toEqual([expect.objectContaining({ value: 'r' })])
  })

  test('passes as it came where none is', () => {
    const wire = new VirtualWire({ codec: commas })
    wire.rule(drop, { match: 'x' })
    wire.send('client', 'a,b,')
    expect(wire.seen('server')).toEqual(['a,b,'])
  })
})

test('one part that does not decode passes, with its reason, and no rule is asked about it', () => {
  const wire = new VirtualWire({ codec: commas })
  wire.rule(drop, { match: 'a' })
  wire.send('client', 'a,?,c')
  expect(wire.seen('server')).toEqual(['?,c'])
  expect(wire.messages().map(({ undecodable }) => undecodable)).toEqual([undefined, 'commas: a question', undefined])
})

test('frames that do not make up the bytes of their message break the contract', () => {
  const wire = new VirtualWire({
    codec: { ...commas, decode: bytes => ({ messages: [{ value: 'x', bytes, frames: [{ size: 1, binary: true }] }], rest: nothing }) },
  })
  wire.send('client', 'abc')
  expect(wire.messages()[0]?.undecodable).toBe('commas: decode gives a message of 3 bytes frames of 1 bytes together')
  expect(wire.seen('server')).toEqual(['abc'])
})

test("the state of the server's direction may depend on the client's", () => {
  const seen: unknown[] = []
  const codec: Codec<string, { from: string }> = {
    ...commas,
    state: ({ from, peer }) => {
      seen.push(peer)
      return { from }
    },
  }
  const wire = new VirtualWire({ codec })
  wire.send('client', 'a')
  expect(seen).toEqual([undefined, { from: 'client' }])
})
