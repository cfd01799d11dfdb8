import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { other } from '../side.ts'
import type { Side } from '../side.ts'
import { deflate } from '../ws/deflate.ts'
import { lineCodec, textCodec, VirtualWire } from './testing/virtual-wire.ts'

const sides: readonly Side[] = ['client', 'server']
const never = { match: 'no such message' } as const

/** No rule, one that matches nothing, one that passes everything through a handler: none may change a byte. */
const transparent: readonly [name: string, prepare: (wire: VirtualWire) => void][] = [
  ['with no rule', () => {}],
  ['with a rule that matches nothing', wire => void wire.rule({ kind: 'drop' }, never)],
  ['with a rule that has gone', wire => wire.rule({ kind: 'drop' }).dispose()],
  ['with a rule that is spent', wire => void wire.rule({ kind: 'drop' }, { times: 0 })],
  ['with an observer', wire => void wire.rule({ kind: 'observe', fn: () => {} })],
]

describe.for(transparent)('%s', ([, prepare]) => {
  test.for(sides)('what the %s sends arrives byte for byte, wherever it is cut (T92)', from => {
    const to = other(from)
    const long = 'x'.repeat(126)
    const source = new VirtualWire()
    const parts = [
      source.frame(from, 'plain'),
      source.frame(from, 'frag', { fin: false }),
      source.frame(from, 'between', { opcode: 9 }),
      source.frame(from, '', { opcode: 0, fin: false }),
      source.frame(from, 'mented', { opcode: 0 }),
      source.frame(from, '', { opcode: 2 }),
      source.frame(from, 'unsolicited', { opcode: 10 }),
      source.frame(from, long, { opcode: 2 }),
      source.closeFrame(from, 1000, 'done'),
    ]
    const whole = Buffer.concat(parts)
    // A ping between fragments may go ahead of a message that has not fully arrived; everything else keeps its place.
    const orders = new Set([whole, Buffer.concat([parts[0]!, parts[2]!, parts[1]!, ...parts.slice(3)])].map(bytes => bytes.toString('hex')))
    for (let at = 0; at <= whole.length; at++) {
      const wire = new VirtualWire()
      prepare(wire)
      for (const part of [whole.subarray(0, at), whole.subarray(at)]) if (part.length > 0) wire.bytes(from, part)
      expect(orders, `cut at ${at}`).toContain(wire.written(to).toString('hex'))
      const messages = wire.messages()
      expect(messages.map(message => message.text)).toEqual(['plain', 'fragmented', '', long])
      expect(messages.map(message => message.delivered?.toString())).toEqual(['plain', 'fragmented', '', long])
    }
  })
})

describe('fragments', () => {
  const fragmented = (wire: VirtualWire): Buffer =>
    Buffer.concat([
      wire.frame('server', 'one', { fin: false }),
      wire.frame('server', 'p', { opcode: 9 }),
      wire.frame('server', 'two', { opcode: 0 }),
    ])

  test('an untouched message keeps its boundaries, and a ping between them its place (T60)', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' }, never)
    const bytes = fragmented(wire)
    wire.bytes('server', bytes)
    expect(wire.written('client')).toEqual(bytes)
  })

  test('a ping between the fragments of a message that has not fully arrived goes ahead', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' }, never)
    wire.bytes('server', wire.frame('server', 'one', { fin: false }), wire.frame('server', 'p', { opcode: 9 }))
    expect(wire.seen('client')).toEqual(['ping:p'])
    wire.bytes('server', wire.frame('server', 'two', { opcode: 0 }))
    expect(wire.seen('client')).toEqual(['ping:p', 'one…', '…two'])
  })

  test('a ping between the fragments of a message that is relayed keeps its place', () => {
    const wire = new VirtualWire()
    wire.bytes('server', wire.frame('server', 'one', { fin: false }))
    wire.bytes('server', wire.frame('server', 'p', { opcode: 9 }))
    wire.bytes('server', wire.frame('server', 'two', { opcode: 0 }))
    expect(wire.seen('client')).toEqual(['one…', 'ping:p', '…two'])
  })

  test('a ping between the fragments of a dropped message still arrives', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' })
    wire.bytes('server', fragmented(wire))
    expect(wire.seen('client')).toEqual(['ping:p'])
  })

  test('a dropped message leaves nothing behind, wherever its fragments are cut', () => {
    const source = new VirtualWire()
    const whole = fragmented(source)
    for (let at = 0; at <= whole.length; at++) {
      const wire = new VirtualWire()
      wire.rule({ kind: 'drop' })
      for (const part of [whole.subarray(0, at), whole.subarray(at)]) if (part.length > 0) wire.bytes('server', part)
      expect(wire.seen('client')).toEqual(['ping:p'])
    }
  })

  test('a changed message leaves as one frame, masked afresh towards the server (T61)', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'patch', fn: value => `${String(value)}!` })
    const frames = [wire.frame('client', 'one', { fin: false }), wire.frame('client', 'two', { opcode: 0 })]
    wire.bytes('client', ...frames)
    expect(wire.seen('server')).toEqual(['onetwo!'])
    expect(wire.written('server').subarray(2, 6)).not.toEqual(frames[0]?.subarray(2, 6))
  })

  test('a message of which a part had gone when the first rule came passes (T93)', () => {
    const wire = new VirtualWire()
    const frame = wire.frame('server', 'half and half')
    wire.bytes('server', frame.subarray(0, 6))
    const rule = wire.rule({ kind: 'drop' })
    wire.bytes('server', frame.subarray(6), wire.frame('server', 'next'))
    expect(wire.seen('client')).toEqual(['half and half'])
    expect(rule.acted).toBe(1)
  })

  test('when the last rule goes, a message that waited for its rest goes on (T93)', () => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'drop' })
    const frame = wire.frame('server', 'half and half')
    wire.bytes('server', frame.subarray(0, 6))
    expect(wire.written('client').length).toBe(0)
    rule.dispose()
    wire.put({ kind: 'rules' })
    expect(wire.written('client')).toEqual(frame.subarray(0, 6))
    wire.bytes('server', frame.subarray(6))
    expect(wire.seen('client')).toEqual(['half and half'])
    expect(wire.messages()[0]?.delivered?.toString()).toBe('half and half')
  })
})

describe('a message that is under way when something of our own is sent', () => {
  const sendNow = (wire: VirtualWire): void =>
    void wire.put({ kind: 'send', to: 'client', payload: wire.session.encode('client', 'mine'), place: 'now' })

  test('keeps its fragments together, also when a rule came while the first was on its way', () => {
    const wire = new VirtualWire()
    const first = wire.frame('server', 'one', { fin: false })
    wire.bytes('server', first.subarray(0, 4))
    wire.rule({ kind: 'drop' }, never)
    wire.bytes('server', first.subarray(4))
    sendNow(wire)
    expect(wire.seen('client')).toEqual(['one…'])
    wire.bytes('server', wire.frame('server', 'two', { opcode: 0 }))
    expect(wire.seen('client')).toEqual(['one…', '…two', 'mine'])
  })

  test('is never followed by it if its end never comes', () => {
    const wire = new VirtualWire()
    const frame = wire.frame('server', 'never complete').subarray(0, 6)
    wire.bytes('server', frame)
    wire.put({ kind: 'send', to: 'client', payload: wire.session.encode('client', 'mine'), place: 'tail' })
    wire.put({ kind: 'end', from: 'server', how: 'fin' })
    expect(wire.written('client')).toEqual(frame)
    expect(wire.notes()).toEqual(['a message to the client was not sent: the message before it was never completed'])
  })

  test('comes after it if it waits for its rest, for it has not arrived yet', () => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'drop' }, never)
    wire.bytes('server', wire.frame('server', 'one', { fin: false }))
    wire.put({ kind: 'send', to: 'client', payload: wire.session.encode('client', 'mine'), place: 'tail' })
    rule.dispose()
    wire.put({ kind: 'rules' })
    wire.bytes('server', wire.frame('server', 'two', { opcode: 0 }))
    expect(wire.seen('client')).toEqual(['mine', 'one…', '…two'])
  })
})

describe('empty messages (T62)', () => {
  test('pass, can be sent, and can have an empty first fragment', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' }, never)
    wire.bytes('server', wire.frame('server', ''), wire.frame('server', '', { fin: false }), wire.frame('server', 'x', { opcode: 0 }))
    wire.put({ kind: 'send', to: 'client', payload: wire.session.encode('client', ''), place: 'tail' })
    expect(wire.seen('client')).toEqual(['', '…', '…x', ''])
  })
})

describe('text and binary (T64, T65)', () => {
  test('text that is not UTF-8 goes on as it is: the receiver fails the connection', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' }, never)
    const frame = wire.frame('server', Buffer.from([0x61, 0xff, 0xfe]))
    wire.bytes('server', frame)
    expect(wire.written('client')).toEqual(frame)
  })

  test('a rule that makes a lone surrogate fails, and the original passes', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'replace', fn: () => 'a\ud800' })
    wire.send('server', 'original')
    expect(wire.failures()).toEqual([expect.stringMatching(/lone surrogate/)])
    expect(wire.seen('client')).toEqual(['original'])
  })

  test('what replaces a message has its type', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'replace', fn: () => 'new' })
    wire.bytes('server', wire.frame('server', 'a', { opcode: 2 }), wire.frame('server', 'b'))
    expect(wire.seen('client')).toEqual(['b:new', 'new'])
  })

  test('bytes that are not UTF-8 cannot replace a text', () => {
    const wire = new VirtualWire({
      codec: {
        name: 'raw',
        stateless: true,
        decode: bytes => ({ messages: [{ value: bytes, bytes }], rest: Buffer.alloc(0) }),
        encode: value => value as Uint8Array,
      },
    })
    wire.rule({ kind: 'replace', fn: () => Buffer.from([0xff]) })
    wire.send('server', 'original')
    expect(wire.failures()).toEqual([expect.stringMatching(/not UTF-8/)])
    expect(wire.seen('client')).toEqual(['original'])
  })
})

describe('permessage-deflate (T66)', () => {
  const squeeze = (wire: VirtualWire, from: Side, text: string): Buffer => wire.frame(from, deflate(Buffer.from(text)), { rsv1: true })

  test.for(sides)('from the %s: untouched frames stay as they are, and rules see the inflated text', from => {
    const wire = new VirtualWire({ deflate: { deflate: true } })
    wire.rule({ kind: 'drop' }, { match: 'b' })
    const frames = ['a', 'b', 'c'].map(text => squeeze(wire, from, text))
    wire.bytes(from, ...frames)
    expect(wire.seen(other(from))).toEqual(['z:a', 'z:c'])
    expect(wire.written(other(from))).toEqual(Buffer.concat([frames[0]!, frames[2]!]))
    expect(wire.messages().map(message => message.text)).toEqual(['a', 'b', 'c'])
  })

  test.for(sides)('from the %s: what was compressed is compressed again when it was changed, within the agreed window', from => {
    const wire = new VirtualWire({ deflate: { deflate: true, clientWindowBits: 9, serverWindowBits: 9 } })
    wire.rule({ kind: 'patch', fn: value => `${String(value)}!` })
    wire.bytes(from, squeeze(wire, from, 'a'), wire.frame(from, 'plain'))
    expect(wire.seen(other(from))).toEqual(['z:a!', 'plain!'])
  })

  test('a compressed message in fragments is one message', () => {
    const wire = new VirtualWire({ deflate: { deflate: true } })
    const bytes = deflate(Buffer.from('a long text, a long text'))
    wire.bytes(
      'server',
      wire.frame('server', bytes.subarray(0, 5), { rsv1: true, fin: false }),
      wire.frame('server', bytes.subarray(5), { opcode: 0 }),
    )
    expect(wire.messages()[0]?.text).toBe('a long text, a long text')
  })

  test('what does not inflate passes untouched, and is journalled with the reason', () => {
    const wire = new VirtualWire({ deflate: { deflate: true } })
    wire.rule({ kind: 'drop' })
    const frame = wire.frame('server', Buffer.from([0xff, 0xff]), { rsv1: true })
    wire.bytes('server', frame)
    expect(wire.written('client')).toEqual(frame)
    expect(wire.messages()[0]?.undecodable).toMatch(/does not inflate/)
  })

  test('a message that inflates to more than the limit passes undecoded (T67)', () => {
    const wire = new VirtualWire({ deflate: { deflate: true }, messageLimit: 1000 })
    wire.rule({ kind: 'drop' })
    const frame = squeeze(wire, 'server', 'x'.repeat(100_000))
    wire.bytes('server', frame)
    expect(wire.written('client')).toEqual(frame)
    expect(wire.messages()[0]?.undecodable).toMatch(/inflate/)
  })
})

describe('size', () => {
  test('a message over the limit passes undecided, with a line, and the next one is judged again (T67)', () => {
    const wire = new VirtualWire({ messageLimit: 1000 })
    const rule = wire.rule({ kind: 'drop' })
    const fragments = [0, 1, 2, 3].map(i => wire.frame('server', 'x'.repeat(400), { opcode: i === 0 ? 1 : 0, fin: i === 3 }))
    for (const fragment of fragments) wire.bytes('server', fragment)
    expect(wire.written('client')).toEqual(Buffer.concat(fragments))
    expect(wire.notes()).toEqual([expect.stringMatching(/over the limit of 1000 bytes/)])
    expect(wire.messages()[0]?.undecodable).toMatch(/limit of 1000/)
    wire.send('server', 'next')
    expect(rule.acted).toBe(1)
  })

  test('a large message streams through with bounded memory when no rule needs it (T68)', () => {
    const wire = new VirtualWire({ journalLimit: 1 << 20 })
    const frame = wire.frame('server', Buffer.alloc(16 << 20), { opcode: 2 })
    for (let at = 0; at < frame.length; at += 65536) {
      const chunk = frame.subarray(at, at + 65536)
      const [output] = wire.session.handle({ kind: 'bytes', from: 'server', bytes: chunk, at: 0 })
      expect(output?.kind === 'write' && output.bytes).toBe(chunk)
      expect(wire.journal.weight).toBeLessThan((1 << 20) + 66_000)
    }
    expect(wire.messages()).toMatchObject([{ index: 0, binary: true, evicted: true }])
  })
})

describe('what RFC 6455 forbids', () => {
  test('goes on as it is behind what was held, with a line that names the section (T69)', () => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'hold', others: 'wait' }, { match: 'h' })
    const bad = Buffer.from('8b000102', 'hex')
    wire.bytes('server', wire.frame('server', 'h'), bad)
    wire.bytes('server', Buffer.from('anything'))
    expect(wire.written('client').length).toBe(0)
    wire.release(rule.held[0])
    expect(wire.written('client')).toEqual(Buffer.concat([wire.frame('server', 'h'), bad, Buffer.from('anything')]))
    expect(wire.notes()).toEqual([expect.stringMatching(/the server broke RFC 6455 §5\.2 \(reserved opcode 0xb\)/)])
  })
})

describe('whatever bytes come', () => {
  const likelyFrames = fc.tuple(
    fc.constantFrom(0x81, 0x82, 0x01, 0x00, 0x80, 0x89, 0x8a, 0x88, 0xc1, 0x8f),
    fc.constantFrom(0, 1, 3, 125, 126, 127, 0x80, 0x83, 0xfe),
    fc.uint8Array({ maxLength: 12 }),
  )
  const chunk = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 40 }),
    likelyFrames.map(([first, second, rest]) => Uint8Array.from([first, second, ...rest])),
  )

  test.for(transparent)('%s, they all go on, and nothing throws', ([, prepare]) => {
    fc.assert(
      fc.property(fc.constantFrom(...sides), fc.boolean(), fc.array(chunk, { minLength: 1, maxLength: 12 }), (from, compressed, chunks) => {
        const wire = new VirtualWire({ deflate: { deflate: compressed }, codec: compressed ? lineCodec : textCodec })
        prepare(wire)
        for (const bytes of chunks) wire.bytes(from, bytes)
        wire.put({ kind: 'end', from, how: 'fin' })
        wire.events()
        const written = wire.written(other(from))
        const sent = Buffer.concat(chunks)
        // Pings and pongs may have gone ahead of a message that never came to its end.
        expect(Uint8Array.from(written).toSorted()).toEqual(Uint8Array.from(sent).toSorted())
        expect(wire.failures()).toEqual([])
        expect(wire.outputs.at(-1)).toEqual({ kind: 'end', to: other(from), how: 'fin' })
      }),
      { numRuns: 500 },
    )
  })
})

describe('pings and pongs', () => {
  test('go through with their payload, and nothing answers in their place, or ever ends by the clock (T75, T78, T79, T102)', () => {
    const wire = new VirtualWire()
    expect(wire.bytes('server', wire.frame('server', 'beat', { opcode: 9 }))).toMatchObject([{ kind: 'write', to: 'client' }])
    wire.bytes('client', wire.frame('client', 'beat', { opcode: 10 }))
    wire.until(3_600_000)
    expect(wire.seen('client')).toEqual(['ping:beat'])
    expect(wire.seen('server')).toEqual(['pong:beat'])
    expect(wire.events()).toMatchObject([
      { kind: 'ping', from: 'server', payload: Buffer.from('beat') },
      { kind: 'pong', from: 'client', payload: Buffer.from('beat') },
    ])
  })

  test('none is written after a close frame', () => {
    const wire = new VirtualWire()
    wire.put({ kind: 'close', to: 'client', code: 1000, reason: '' })
    wire.bytes('server', wire.frame('server', 'late', { opcode: 9 }))
    expect(wire.seen('client')).toEqual(['close:1000:'])
  })
})
