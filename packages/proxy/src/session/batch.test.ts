import { describe, expect, test } from 'vitest'
import { lineCodec, VirtualWire } from './testing/virtual-wire.ts'

const lines = (): VirtualWire => new VirtualWire({ codec: lineCodec })
const drop = { kind: 'drop' } as const
const hold = { kind: 'hold', others: 'wait' } as const

describe('several messages in one frame', () => {
  test('leave in the frame they came in if none is touched', () => {
    const wire = lines()
    wire.rule(drop, { match: 'nothing' })
    const frame = wire.frame('client', 'a\nb\nc\n')
    wire.bytes('client', frame)
    expect(wire.written('server')).toEqual(frame)
    expect(wire.messages().map(message => message.value)).toEqual(['a', 'b', 'c'])
    expect(wire.messages().map(message => message.index)).toEqual([0, 1, 2])
  })

  test('one of three can be dropped', () => {
    const wire = lines()
    wire.rule(drop, { match: 'b' })
    wire.send('client', 'a\nb\nc\n')
    expect(wire.seen('server')).toEqual(['a\nc\n'])
    expect(wire.messages().map(message => message.delivered?.toString())).toEqual(['a\n', undefined, 'c\n'])
  })

  test('one of three can be replaced', () => {
    const wire = lines()
    wire.rule({ kind: 'replace', fn: () => 'X' }, { match: 'b' })
    wire.bytes('server', wire.frame('server', 'a\nb\nc\n', { opcode: 2 }))
    expect(wire.seen('client')).toEqual(['b:a\nX\nc\n'])
  })

  test('a hold in the middle splits them', () => {
    const wire = lines()
    const rule = wire.rule(hold, { match: 'b' })
    wire.send('client', 'a\nb\nc\n')
    expect(wire.seen('server')).toEqual(['a\n'])
    wire.release(rule.held[0])
    expect(wire.seen('server')).toEqual(['a\n', 'b\nc\n'])
  })

  test('a hold at the front keeps them together', () => {
    const wire = lines()
    const rule = wire.rule(hold, { match: 'a' })
    const frame = wire.frame('client', 'a\nb\n')
    wire.bytes('client', frame)
    wire.release(rule.held[0])
    expect(wire.written('server')).toEqual(frame)
  })

  test('what is set aside leaves the others in their place', () => {
    const wire = lines()
    const rule = wire.rule({ kind: 'hold', others: 'pass' }, { match: 'b' })
    wire.send('client', 'a\nb\nc\n')
    expect(wire.seen('server')).toEqual(['a\nc\n'])
    wire.release(rule.held[0])
    expect(wire.seen('server')).toEqual(['a\nc\n', 'b\n'])
  })

  test('they wait together for their decisions, and leave in their frame if all pass', () => {
    const wire = lines()
    wire.ask()
    const frame = wire.frame('client', 'a\nb\n')
    wire.bytes('client', frame)
    wire.decide('b\n')
    expect(wire.seen('server')).toEqual([])
    wire.decide('a\n')
    expect(wire.written('server')).toEqual(frame)
  })

  test('a message of our own right behind one of them splits them', () => {
    const wire = lines()
    wire.rule({ kind: 'observe', fn: () => {} }, { match: 'a', then: [{ kind: 'send', to: 'server', value: 's' }] })
    wire.send('client', 'a\nb\n')
    expect(wire.seen('server')).toEqual(['a\n', 's\n', 'b\n'])
  })
})

describe('one message in several WebSocket messages', () => {
  test('waits for its rest while a rule could decide it, and leaves in the frames it came in', () => {
    const wire = lines()
    wire.rule(drop, { match: 'nothing' })
    const frames = ['he', 'll', 'o\n'].map(text => wire.frame('client', text))
    wire.bytes('client', frames[0]!)
    wire.bytes('client', frames[1]!)
    expect(wire.seen('server')).toEqual([])
    wire.bytes('client', frames[2]!)
    expect(wire.written('server')).toEqual(Buffer.concat(frames))
    expect(wire.messages()).toMatchObject([{ value: 'hello', index: 0 }])
  })

  test('does not wait where no rule could decide it', () => {
    const wire = lines()
    wire.rule({ kind: 'observe', fn: () => {} })
    wire.send('client', 'he')
    expect(wire.seen('server')).toEqual(['he'])
    wire.send('client', 'llo\n')
    expect(wire.messages()).toMatchObject([{ value: 'hello' }])
  })

  test('a message of which a part had gone when the first rule came passes; the next is judged', () => {
    const wire = lines()
    wire.send('client', 'he')
    const rule = wire.rule(drop)
    wire.send('client', 'llo\nnext\nlast\n')
    expect(wire.seen('server')).toEqual(['he', 'llo\n'])
    expect(rule.acted).toBe(2)
  })

  test('when the last rule goes, what only waited for its rest goes on', () => {
    const wire = lines()
    const rule = wire.rule(drop, { match: 'nothing' })
    const first = wire.frame('client', 'a\nhe')
    wire.bytes('client', first)
    expect(wire.seen('server')).toEqual([])
    rule.dispose()
    wire.put({ kind: 'rules' })
    expect(wire.written('server')).toEqual(first)
    wire.send('client', 'llo\n')
    expect(wire.messages().map(message => message.value)).toEqual(['a', 'hello'])
    expect(wire.seen('server')).toEqual(['a\nhe', 'llo\n'])
  })

  test('when the last rule goes, and a part had been dropped, the beginning of the next goes on in a frame of its own', () => {
    const wire = lines()
    const rule = wire.rule(drop, { match: 'a' })
    wire.send('client', 'a\nhe')
    rule.dispose()
    wire.put({ kind: 'rules' })
    wire.send('client', 'llo\n')
    expect(wire.seen('server')).toEqual(['he', 'llo\n'])
  })

  test.for(['tail', 'now'] as const)("what is sent at '%s' does not come inside it", place => {
    for (const judged of [false, true]) {
      const wire = lines()
      wire.send('client', 'he')
      wire.put({ kind: 'send', to: 'server', payload: wire.session.encode('server', 'mine'), place })
      if (judged) wire.rule(drop, { match: 'next' })
      wire.send('client', 'l')
      wire.send('client', 'lo\nnext\n')
      expect(wire.seen('server').join('')).toBe(judged ? 'hello\nmine\n' : 'hello\nnext\nmine\n')
    }
  })

  test('nor does what was set aside and is released', () => {
    const wire = lines()
    const rule = wire.rule({ kind: 'hold', others: 'pass' }, { match: 'aside' })
    wire.send('client', 'aside\n')
    const [message] = rule.held
    rule.dispose()
    wire.send('client', 'he')
    wire.release(message)
    wire.send('client', 'llo\n')
    expect(wire.seen('server')).toEqual(['he', 'llo\n', 'aside\n'])
  })

  test('an end lets the beginning of a message go on', () => {
    const wire = lines()
    wire.rule(drop, { match: 'a' })
    wire.send('client', 'a\nhe')
    wire.put({ kind: 'end', from: 'client', how: 'fin' })
    expect(wire.seen('server')).toEqual(['he', 'fin'])
  })

  test('what was decided of the messages before the rest is not undone when the rest comes', () => {
    const wire = lines()
    wire.rule(drop, { match: 'a' })
    wire.send('client', 'a\nb\nhe')
    expect(wire.seen('server')).toEqual(['b\n'])
    wire.send('client', 'llo\nc\n')
    expect(wire.seen('server')).toEqual(['b\n', 'hello\nc\n'])
  })
})

test('text and binary do not leave in one message', () => {
  const wire = lines()
  wire.rule(drop, { match: 'b' })
  wire.bytes('client', wire.frame('client', 'a\nhe'), wire.frame('client', 'llo\nb\n', { opcode: 2 }))
  expect(wire.seen('server')).toEqual(['a\n', 'b:hello\n'])
})

describe('what does not decode', () => {
  const picky = {
    name: 'picky',
    stateless: true,
    decode(bytes: Uint8Array) {
      if (bytes[0] === 0x21) throw new Error('exclamation mark')
      return { messages: [{ value: Buffer.from(bytes).toString(), bytes }], rest: Buffer.alloc(0) }
    },
    encode: String,
  }

  test('passes untouched, meets no rule, and is journalled with the reason', () => {
    const wire = new VirtualWire({ codec: picky })
    const rule = wire.rule(drop)
    wire.send('client', '!', 'a')
    expect(wire.seen('server')).toEqual(['!'])
    expect(rule.acted).toBe(1)
    const [message] = wire.messages()
    expect(message?.undecodable).toBe('picky: exclamation mark')
    expect(() => message?.value).toThrow(/MIDWIRE_CODEC|has no value: picky: exclamation mark/)
    expect(message?.text).toBe('!')
    expect(message?.delivered?.toString()).toBe('!')
  })

  test('a codec that loses bytes is told so, and its messages pass', () => {
    const wire = new VirtualWire({
      codec: { ...picky, decode: (bytes: Uint8Array) => ({ messages: [{ value: 1, bytes: bytes.subarray(1) }], rest: Buffer.alloc(0) }) },
    })
    wire.rule(drop)
    wire.send('client', 'abc')
    expect(wire.seen('server')).toEqual(['abc'])
    expect(wire.messages()[0]?.undecodable).toMatch(/accounts for 2 bytes of 3/)
  })
})
