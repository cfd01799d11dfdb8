import { describe, expect, test } from 'vitest'
import { Scope } from '../scope.ts'
import { lineCodec, VirtualWire } from '../session/testing/virtual-wire.ts'
import { Journal } from './journal.ts'

describe('order', () => {
  test('everything has one place, also what is found only when somebody reads (T103)', () => {
    const wire = new VirtualWire()
    wire.send('client', 'a', 'b')
    wire.journal.append({ kind: 'note', at: 1, scope: wire.scope, connection: undefined, text: 'in between' })
    wire.send('server', 'c')
    expect(wire.events().map(event => (event.kind === 'message' ? event.message.text : event.kind))).toEqual(['a', 'b', 'note', 'c'])
    const places = wire.events().map(event => event.seq)
    expect(places).toEqual([...new Set(places)].sort((a, b) => a - b))
  })

  test('reading twice gives the same events and messages', () => {
    const wire = new VirtualWire()
    wire.send('client', 'a')
    expect(wire.events()[0]).toBe(wire.events()[0])
    expect(wire.messages()[0]).toBe(wire.messages()[0])
  })

  test('a message that a rule saw is the one that a reader finds', () => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'drop' })
    wire.send('client', 'a')
    expect(wire.messages()).toEqual([rule.messages[0]])
    expect(wire.messages()[0]).toBe(rule.messages[0])
  })

  test('a message that came in many chunks stands where its last byte came', () => {
    const wire = new VirtualWire()
    const frame = wire.frame('server', 'slow')
    wire.bytes('server', frame.subarray(0, 4))
    wire.send('client', 'fast')
    wire.now = 9
    wire.bytes('server', frame.subarray(4))
    expect(wire.messages().map(message => [message.text, message.at])).toEqual([
      ['fast', 0],
      ['slow', 9],
    ])
  })

  test('after: only what came later than a mark, a message or an event', () => {
    const wire = new VirtualWire()
    wire.send('client', 'a', 'b')
    const mark = wire.journal.mark()
    wire.send('client', 'c')
    const after = (position: number): unknown[] =>
      [...wire.journal.read({ after: position })].map(event => event.kind === 'message' && event.message.text)
    expect(after(mark)).toEqual(['c'])
    expect(after(wire.messages()[0]!.seq)).toEqual(['b', 'c'])
    expect(after(wire.journal.mark())).toEqual([])
  })

  test('scope: of the scope, of those around it and inside it', () => {
    const journal = new Journal()
    const file = new Scope('file')
    const block = new Scope('block', file)
    const one = new Scope('one', block)
    const two = new Scope('two', block)
    for (const scope of [file, block, one, two]) journal.append({ kind: 'note', at: 0, scope, connection: undefined, text: scope.name })
    const seen = (scope: Scope): unknown[] => [...journal.read({ scope })].map(event => event.kind === 'note' && event.text)
    expect(seen(one)).toEqual(['file', 'block', 'one'])
    expect(seen(block)).toEqual(['file', 'block', 'one', 'two'])
  })
})

describe('following', () => {
  test('a follower is told when something came, with the verdict that it got', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' })
    const seen: unknown[] = []
    const stop = wire.journal.follow(() => seen.push(wire.messages().at(-1)?.verdict?.kind))
    wire.send('client', 'a')
    expect(seen).toEqual(['drop'])
    stop()
    wire.send('client', 'b')
    expect(seen).toEqual(['drop'])
  })

  test('and when a held message was delivered', () => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'hold', others: 'wait' })
    wire.send('client', 'a')
    const seen: unknown[] = []
    wire.journal.follow(() => seen.push(wire.messages()[0]?.delivered?.toString()))
    wire.release(rule.held[0])
    expect(seen).toEqual(['a'])
  })
})

describe('the limit', () => {
  const crowded = (journalLimit: number): VirtualWire => {
    const wire = new VirtualWire({ journalLimit })
    for (let i = 0; i < 20; i++) wire.send('client', `${i} ${'x'.repeat(1000)}`)
    return wire
  }

  test('payloads go, oldest first; every message still counts', () => {
    const wire = crowded(5000)
    expect(wire.journal.weight).toBeLessThanOrEqual(5000)
    expect(wire.journal.evicted).toBe(true)
    const messages = wire.messages()
    expect(messages.map(message => message.index)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(messages.map(message => message.evicted)).toEqual([...Array.from({ length: 17 }, () => true), false, false, false])
    expect(messages.at(-1)?.text).toMatch(/^19 /)
  })

  test('what has gone says so', () => {
    const [message] = crowded(5000).messages()
    for (const look of [() => message?.value, () => message?.bytes, () => message?.text])
      expect(look).toThrow(/message 0 from the client was seen, but its payload has left the journal: raise journalLimit/)
  })

  test('also what was read before goes', () => {
    const wire = new VirtualWire({ journalLimit: 5000 })
    wire.send('client', 'first')
    const [message] = wire.messages()
    expect(message?.text).toBe('first')
    for (let i = 0; i < 20; i++) wire.send('client', 'x'.repeat(1000))
    expect(message?.evicted).toBe(true)
    expect(wire.messages()).toHaveLength(21)
  })

  test('what is held does not go before it was delivered', () => {
    const wire = new VirtualWire({ journalLimit: 5000 })
    const rule = wire.rule({ kind: 'hold', others: 'wait' }, { match: 'held' })
    wire.send('server', 'held')
    for (let i = 0; i < 20; i++) wire.send('client', 'x'.repeat(1000))
    expect(rule.held[0]?.text).toBe('held')
    wire.release(rule.held[0])
    expect(wire.seen('client')).toEqual(['held'])
  })

  test('pings keep their payload, and a close its code', () => {
    const wire = new VirtualWire({ journalLimit: 2000 })
    wire.bytes('client', wire.frame('client', 'beat', { opcode: 9 }))
    wire.bytes('server', wire.closeFrame('server', 4000, 'why'))
    for (let i = 0; i < 20; i++) wire.send('client', 'x'.repeat(1000))
    expect(wire.events().slice(0, 2)).toMatchObject([
      { kind: 'ping', payload: Buffer.from('beat') },
      { kind: 'close', code: 4000, reason: 'why' },
    ])
  })

  test('a codec with state has counted its messages before they go', () => {
    const wire = new VirtualWire({ codec: lineCodec, journalLimit: 2000 })
    for (let i = 0; i < 20; i++) wire.send('client', `${'x'.repeat(500)}\n${'y'.repeat(500)}\nz`, '\n')
    expect(wire.messages()).toHaveLength(60)
  })
})
