import { describe, expect, test } from 'vitest'
import { VirtualWire } from './testing/virtual-wire.ts'

const hold = { kind: 'hold', others: 'wait' } as const
const setAside = { kind: 'hold', others: 'pass' } as const
const drop = { kind: 'drop' } as const

describe('first in, first out', () => {
  test('what is behind a held message comes after it, in order (T01)', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { match: 'm1' })
    wire.send('server', 'm1', 'm2', 'm3')
    expect(wire.seen('client')).toEqual([])
    wire.until(500)
    wire.release(rule.held[0])
    expect(wire.seen('client')).toEqual(['m1', 'm2', 'm3'])
    expect(rule.held).toEqual([])
  })

  test('decisions that come out of order are carried out in order (T02)', () => {
    const wire = new VirtualWire()
    wire.ask()
    wire.send('server', 'm1', 'm2', 'm3')
    wire.decide('m3')
    wire.decide('m2')
    expect(wire.seen('client')).toEqual([])
    wire.decide('m1')
    expect(wire.seen('client')).toEqual(['m1', 'm2', 'm3'])
  })

  test('a held message leaves the other direction alone (T03)', () => {
    const wire = new VirtualWire()
    wire.rule(hold, { from: 'server' })
    wire.send('server', 'held')
    expect(wire.send('client', 'through')).toMatchObject([{ kind: 'write', to: 'server' }])
    expect(wire.seen('server')).toEqual(['through'])
  })

  test('pings and pongs of both directions overtake what is held (T04)', () => {
    const wire = new VirtualWire()
    wire.rule(hold)
    wire.send('server', 'a')
    wire.send('client', 'b')
    wire.bytes('server', wire.frame('server', 'p', { opcode: 9 }))
    wire.bytes('client', wire.frame('client', 'p', { opcode: 10 }))
    expect(wire.seen('client')).toEqual(['ping:p'])
    expect(wire.seen('server')).toEqual(['pong:p'])
  })

  test('a hold of a minute pauses no reading: a server that pings every 20 s gets its pongs (T04, T81)', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { from: 'server' })
    wire.send('server', 'held')
    for (const at of [20_000, 40_000, 60_000]) {
      wire.until(at)
      wire.ping('server', String(at))
      wire.pong('client', String(at))
    }
    expect(wire.seen('server')).toEqual(['pong:20000', 'pong:40000', 'pong:60000'])
    expect(wire.outputs.filter(output => output.kind === 'pause')).toEqual([])
    wire.release(rule.held[0])
    expect(wire.seen('client')).toEqual(['ping:20000', 'ping:40000', 'ping:60000', 'held'])
  })

  test('pings that overtake do not overtake each other', () => {
    const wire = new VirtualWire()
    wire.rule(hold)
    const [start, end] = [wire.frame('server', 'a', { fin: false }), wire.frame('server', 'b', { opcode: 0 })]
    wire.bytes('server', start, wire.frame('server', '1', { opcode: 9 }), end, wire.frame('server', '2', { opcode: 9 }))
    expect(wire.seen('client')).toEqual(['ping:1', 'ping:2'])
  })

  test('a message that was dropped, replaced or patched keeps the place of the others', () => {
    const wire = new VirtualWire()
    wire.rule(drop, { match: 'b' })
    wire.rule({ kind: 'replace', fn: value => `${String(value)}!` }, { match: 'd' })
    wire.send('client', 'a', 'b', 'c', 'd', 'e')
    expect(wire.seen('server')).toEqual(['a', 'c', 'd!', 'e'])
  })

  test('rules are asked when a message arrives, also behind a held one', () => {
    const wire = new VirtualWire()
    const first = wire.rule(hold, { match: 'm1' })
    const second = wire.rule(drop, { match: 'm2' })
    wire.send('server', 'm1', 'm2', 'm3')
    expect(second.acted).toBe(1)
    second.dispose()
    wire.put({ kind: 'rules' })
    wire.release(first.held[0])
    expect(wire.seen('client')).toEqual(['m1', 'm3'])
  })

  test('untouched messages of one chunk leave as one part of that chunk', () => {
    const wire = new VirtualWire()
    wire.rule(drop, { match: 'c' })
    const outputs = wire.send('server', 'a', 'b', 'c', 'd', 'e')
    expect(outputs.map(output => output.kind)).toEqual(['write', 'write'])
  })
})

describe('hold', () => {
  test('a second held message waits for its own release', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { match: (text: string) => text.startsWith('h') })
    wire.send('server', 'h1', 'a', 'h2', 'b')
    wire.release(rule.held[1])
    expect(wire.seen('client')).toEqual([])
    wire.release(rule.held[0])
    expect(wire.seen('client')).toEqual(['h1', 'a', 'h2', 'b'])
  })

  test('releasing twice, or what is not held, does nothing', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold)
    wire.send('server', 'h')
    const [message] = rule.held
    wire.release(message)
    expect(wire.release(message)).toEqual([])
    expect(wire.seen('client')).toEqual(['h'])
  })

  test("with others: 'pass' the others go on, and the release puts it at the tail", () => {
    const wire = new VirtualWire()
    const rule = wire.rule(setAside, { match: 'h' })
    wire.send('server', 'a', 'h', 'b')
    expect(wire.seen('client')).toEqual(['a', 'b'])
    wire.send('server', 'c')
    wire.release(rule.held[0])
    wire.send('server', 'd')
    expect(wire.seen('client')).toEqual(['a', 'b', 'c', 'h', 'd'])
  })

  test('what was set aside leaves in the frames it came in', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(setAside)
    const frames = [wire.frame('client', 'on', { fin: false }), wire.frame('client', 'e', { opcode: 0 })]
    wire.bytes('client', ...frames)
    wire.release(rule.held[0])
    expect(wire.written('server')).toEqual(Buffer.concat(frames))
  })

  test('releaseAll lets everything go, in the order of arrival (T12)', () => {
    const wire = new VirtualWire()
    wire.rule(hold, { match: (text: string) => text.startsWith('h') })
    wire.rule(setAside, { match: (text: string) => text.startsWith('s') })
    wire.send('server', 's1', 'h1', 'a', 's2', 'h2')
    wire.bytes('server', wire.closeFrame('server', 1000))
    wire.put({ kind: 'releaseAll' })
    expect(wire.seen('client')).toEqual(['h1', 'a', 'h2', 's1', 's2', 'close:1000:'])
  })

  test('a rule that has gone still holds what it holds', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { match: 'h' })
    wire.send('server', 'h', 'a')
    rule.dispose()
    wire.put({ kind: 'rules' })
    expect(wire.seen('client')).toEqual([])
    wire.release(rule.held[0])
    expect(wire.seen('client')).toEqual(['h', 'a'])
  })
})

describe('delay', () => {
  const delay = (ms: number): { kind: 'delay'; ms: number } => ({ kind: 'delay', ms })

  test('a delayed message leaves when its time has come, and not before', () => {
    const wire = new VirtualWire()
    wire.rule(delay(50), { match: 'a' })
    expect(wire.send('server', 'a')).toEqual([{ kind: 'wake', at: 50 }])
    wire.until(49)
    expect(wire.seen('client')).toEqual([])
    wire.until(50)
    expect(wire.seen('client')).toEqual(['a'])
  })

  test('leaves on time under constant traffic of both directions, which waits behind it or goes on (T95)', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'delay', ms: 50 }, { from: 'server', match: 'late' })
    wire.send('server', 'late')
    const between: string[] = []
    for (let at = 1; at < 50; at++) {
      wire.until(at)
      wire.send('server', String(at))
      wire.send('client', String(at))
      between.push(String(at))
    }
    expect(wire.seen('client')).toEqual([])
    expect(wire.seen('server')).toEqual(between)
    wire.until(50)
    expect(wire.seen('client')).toEqual(['late', ...between])
    expect(wire.outputs.filter(output => output.kind === 'wake')).toEqual([{ kind: 'wake', at: 50 }])
  })

  test('what is behind it never overtakes, and a shorter delay does not either (T96)', () => {
    const wire = new VirtualWire()
    wire.rule(delay(50), { match: 'a' })
    wire.rule(delay(10), { match: 'b' })
    wire.rule(delay(20), { match: 'd' })
    wire.send('server', 'a', 'b', 'c')
    wire.until(45)
    wire.send('server', 'd')
    expect(wire.seen('client')).toEqual([])
    wire.until(50)
    expect(wire.seen('client')).toEqual(['a', 'b', 'c'])
    wire.until(65)
    expect(wire.seen('client')).toEqual(['a', 'b', 'c', 'd'])
  })
})

test('a clock that was early is asked for again', () => {
  const wire = new VirtualWire()
  wire.rule({ kind: 'delay', ms: 50 })
  wire.send('server', 'a')
  wire.now = 49
  expect(wire.put({ kind: 'clock' })).toEqual([{ kind: 'wake', at: 50 }])
})

describe('decisions settle', () => {
  test('a handler that throws fails the test with its error, and the message passes (T10)', () => {
    const wire = new VirtualWire()
    wire.ask()
    wire.send('client', 'a', 'b')
    const outputs = wire.decide('a', undefined, new Error('broken handler'))
    expect(outputs).toMatchObject([{ kind: 'fail', error: { message: 'broken handler' }, message: { text: 'a' } }, { kind: 'write' }])
    wire.decide('b')
    wire.bytes('client', wire.closeFrame('client', 1000))
    expect(wire.seen('server')).toEqual(['a', 'b', 'close:1000:'])
  })

  test('a handler that returns nothing passes the message unchanged (T13)', () => {
    const wire = new VirtualWire()
    wire.ask()
    wire.send('client', 'a')
    expect(wire.decide('a')).toMatchObject([{ kind: 'write' }])
    expect(wire.seen('server')).toEqual(['a'])
  })

  test('a handler that returns what is no verdict fails, and the message passes', () => {
    const wire = new VirtualWire()
    wire.ask()
    wire.send('client', 'a')
    // Tests are not always type-checked.
    wire.decide('a', { kind: 'swallow' } as never)
    expect(wire.failures()).toEqual([expect.stringMatching(/no verdict/)])
    expect(wire.seen('server')).toEqual(['a'])
  })

  test.for([
    ['drop', { kind: 'drop' }, []],
    ['replace', { kind: 'replace', value: 'x' }, ['x']],
  ] as const)('a handler can %s', ([, verdict, seen]) => {
    const wire = new VirtualWire()
    wire.ask()
    wire.send('client', 'a')
    wire.decide('a', verdict)
    expect(wire.seen('server')).toEqual(seen)
    expect(wire.messages()[0]?.verdict).toEqual(verdict)
  })

  test('a decision that comes after the connection has ended changes nothing', () => {
    const wire = new VirtualWire()
    wire.ask()
    wire.send('client', 'a')
    wire.put({ kind: 'terminate', how: 'fin' })
    expect(wire.decide('a')).toEqual([])
  })
})

describe('back-pressure', () => {
  test('more than the hold limit behind a hold pauses the sender with a line, and loses nothing (T15)', () => {
    const wire = new VirtualWire({ holdLimit: 1000 })
    const rule = wire.rule(hold, { match: 'h' })
    wire.send('server', 'h')
    expect(wire.send('server', 'a'.repeat(990))).toEqual([])
    expect(wire.send('server', 'b')).toEqual([])
    expect(wire.send('server', 'c'.repeat(10))).toEqual([{ kind: 'pause', from: 'server' }])
    expect(wire.notes()).toEqual([expect.stringMatching(/reading from the server stops: \d+ bytes wait/)])
    expect(wire.release(rule.held[0])).toContainEqual({ kind: 'resume', from: 'server' })
    expect(wire.seen('client')).toEqual(['h', 'a'.repeat(990), 'b', 'c'.repeat(10)])
  })

  test.for<[name: string, prepare: (wire: VirtualWire) => void]>([
    ['changed', wire => void wire.rule({ kind: 'replace', fn: value => value }, { match: (text: string) => text !== 'h' })],
    ['released', wire => wire.release(wire.rule(hold, { match: 'first' }) && wire.send('server', 'first') && wire.messages()[0])],
    [
      'set aside and released',
      wire => wire.release(wire.rule(setAside, { match: 'b'.repeat(500) }) && wire.send('server', 'b'.repeat(500)) && wire.messages()[0]),
    ],
    [
      'released while it stood behind a held one',
      wire => {
        const first = wire.rule(hold, { match: 'first' })
        const aside = wire.rule(setAside, { match: 'b'.repeat(500) })
        wire.send('server', 'first', 'b'.repeat(500))
        wire.release(aside.held[0])
        wire.release(first.held[0])
      },
    ],
    ['relayed in parts', wire => wire.put({ kind: 'send', to: 'client', payload: wire.session.encode('client', 'x'), place: 'tail' })],
  ])('what has left does not count: %s', ([, prepare]) => {
    const wire = new VirtualWire({ holdLimit: 1000 })
    prepare(wire)
    for (let i = 0; i < 20; i++) {
      const frame = wire.frame('server', 'a'.repeat(100))
      wire.bytes('server', frame.subarray(0, 50))
      wire.put({ kind: 'send', to: 'client', payload: wire.session.encode('client', 'x'), place: 'tail' })
      wire.bytes('server', frame.subarray(50))
    }
    wire.rule(hold, { match: 'h' })
    expect(wire.send('server', 'h', 'a'.repeat(900))).not.toContainEqual({ kind: 'pause', from: 'server' })
    expect(wire.send('server', 'a'.repeat(100))).toContainEqual({ kind: 'pause', from: 'server' })
  })

  test('a large message that is still arriving does not pause the sender whose rest it waits for', () => {
    const wire = new VirtualWire({ holdLimit: 1000 })
    wire.rule(drop, { match: 'nothing' })
    const frame = wire.frame('server', 'x'.repeat(5000))
    for (let at = 0; at < frame.length; at += 500)
      expect(wire.bytes('server', frame.subarray(at, at + 500)).map(output => output.kind)).not.toContain('pause')
    expect(wire.seen('client')).toEqual(['x'.repeat(5000)])
  })
})

describe('messages of our own', () => {
  const send = (wire: VirtualWire, text: string, place: 'tail' | 'now' = 'tail'): void => {
    wire.put({ kind: 'send', to: 'client', payload: wire.session.encode('client', text), place })
  }

  test("wait behind what is held by default, and overtake with 'now' (T06)", () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { match: 'h' })
    wire.send('server', 'h')
    send(wire, 'tail')
    send(wire, 'now', 'now')
    expect(wire.seen('client')).toEqual(['now'])
    wire.release(rule.held[0])
    expect(wire.seen('client')).toEqual(['now', 'h', 'tail'])
  })

  test('meet no rule, so that a rule that sends on a match cannot loop (T08)', () => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'observe', fn: () => {} }, { then: [{ kind: 'send', to: 'client', value: 'more' }] })
    wire.send('server', 'a')
    expect(wire.seen('client')).toEqual(['a', 'more'])
    expect(rule.matched).toBe(1)
    expect(wire.events().filter(event => event.kind === 'injected')).toMatchObject([{ to: 'client', bytes: Buffer.from('more') }])
  })

  test.for(['tail', 'now'] as const)("at '%s' they never come inside a message that is being relayed", place => {
    const wire = new VirtualWire()
    const frame = wire.frame('server', 'long message')
    wire.bytes('server', frame.subarray(0, 5))
    send(wire, 'mine', place)
    expect(wire.written('client')).toEqual(frame.subarray(0, 5))
    wire.bytes('server', frame.subarray(5))
    expect(wire.seen('client')).toEqual(['long message', 'mine'])
  })

  test.for(['tail', 'now'] as const)("at '%s' they never come inside a fragmented message", place => {
    const wire = new VirtualWire()
    wire.bytes('server', wire.frame('server', 'one', { fin: false }))
    send(wire, 'mine', place)
    wire.bytes('server', wire.frame('server', 'two', { opcode: 0, fin: false }))
    wire.bytes('server', wire.frame('server', 'three', { opcode: 0 }), wire.frame('server', 'next'))
    expect(wire.seen('client')).toEqual(['one…', '…two…', '…three', 'mine', 'next'])
  })

  test('are masked with a fresh key towards the server', () => {
    const wire = new VirtualWire()
    const payload = wire.session.encode('server', 'same')
    wire.put({ kind: 'send', to: 'server', payload, place: 'tail' })
    wire.put({ kind: 'send', to: 'server', payload, place: 'tail' })
    const bytes = wire.written('server')
    expect(wire.seen('server')).toEqual(['same', 'same'])
    expect(bytes.subarray(2, 6)).not.toEqual(bytes.subarray(12, 16))
  })

  test('a value that cannot be encoded throws where it is given', () => {
    const wire = new VirtualWire()
    expect(() => wire.session.encode('client', 'a\ud800')).toThrow(/lone surrogate/)
  })
})
