import { describe, expect, test } from 'vitest'
import { other } from '../side.ts'
import type { Side } from '../side.ts'
import { VirtualWire } from './testing/virtual-wire.ts'

const sides: readonly Side[] = ['client', 'server']
const hold = { kind: 'hold' } as const
const drop = { kind: 'drop' } as const

/** With and without a rule that could decide a message: the latter is the way that only relays. */
const ways: readonly [name: string, prepare: (wire: VirtualWire) => void][] = [
  ['where messages are relayed', () => {}],
  ['where messages are judged', wire => void wire.rule(drop, { match: 'no such message' })],
]
const table = ways.flatMap(([way, prepare]) =>
  sides.flatMap(from => (['ping', 'pong'] as const).map(kind => [kind, from, way, prepare] as const)),
)

describe.for(table)('a rule on the %ss of the %s, %s', ([kind, from, , prepare]) => {
  const to = other(from)
  const wireWith = (): VirtualWire => {
    const wire = new VirtualWire()
    prepare(wire)
    return wire
  }
  const beat = (wire: VirtualWire, payload = 'x') => wire.frame(from, payload, { opcode: kind === 'ping' ? 9 : 10 })

  test('drops them, and nothing else (T76)', () => {
    const wire = wireWith()
    const rule = wire.controlRule(kind, drop, { from })
    wire.bytes(from, wire.frame(from, 'a'), beat(wire), wire.frame(from, 'b'))
    wire.bytes(to, wire.frame(to, 'other direction', { opcode: kind === 'ping' ? 9 : 10 }))
    wire.bytes(from, wire.frame(from, 'other kind', { opcode: kind === 'ping' ? 10 : 9 }))
    expect(wire.seen(to)).toEqual(['a', 'b', `${kind === 'ping' ? 'pong' : 'ping'}:other kind`])
    expect(wire.seen(from)).toEqual([`${kind}:other direction`])
    expect(rule).toMatchObject({ matched: 1, acted: 1 })
    expect(wire.events()).toContainEqual(expect.objectContaining({ kind, from, payload: Buffer.from('x') }))
  })

  test('delays them while data goes on in both directions (T76)', () => {
    const wire = wireWith()
    wire.controlRule(kind, { kind: 'delay', ms: 50 }, { from })
    wire.bytes(from, wire.frame(from, 'a'), beat(wire), wire.frame(from, 'b'))
    wire.send(to, 'back')
    expect(wire.seen(from)).toEqual(['back'])
    wire.until(49)
    wire.send(from, 'c')
    expect(wire.seen(to)).toEqual(['a', 'b', 'c'])
    wire.until(50)
    wire.send(from, 'd')
    expect(wire.seen(to)).toEqual(['a', 'b', 'c', `${kind}:x`, 'd'])
  })

  test('holds them until they are released, in any order, while data goes on (T76)', () => {
    const wire = wireWith()
    const rule = wire.controlRule(kind, hold, { from, match: frame => frame.payload.length === 1 })
    wire.bytes(from, beat(wire, '1'), wire.frame(from, 'a'), beat(wire, '2'), beat(wire, 'long'))
    wire.until(60_000)
    expect(wire.seen(to)).toEqual(['a', `${kind}:long`])
    expect(rule.heldFrames.map(frame => Buffer.from(frame.payload).toString())).toEqual(['1', '2'])
    wire.releaseFrame(rule.heldFrames[1])
    wire.send(from, 'b')
    wire.releaseFrame(rule.heldFrames[0])
    expect(wire.seen(to)).toEqual(['a', `${kind}:long`, `${kind}:2`, 'b', `${kind}:1`])
    expect(rule.heldFrames).toEqual([])
  })

  test('what it keeps back leaves between the fragments of a message, and never inside a frame', () => {
    const wire = wireWith()
    const rule = wire.controlRule(kind, hold, { from })
    const first = wire.frame(from, 'one', { fin: false })
    const second = wire.frame(from, 'two', { opcode: 0, fin: false })
    wire.bytes(from, beat(wire, '1'), beat(wire, '2'), first, second.subarray(0, 7))
    wire.releaseFrame(rule.heldFrames[0])
    wire.bytes(from, second.subarray(7))
    wire.releaseFrame(rule.heldFrames[0])
    wire.bytes(from, wire.frame(from, 'three', { opcode: 0 }))
    const words = wire.seen(to)
    expect(words.filter(word => !word.startsWith(kind))).toEqual(['one…', '…two…', '…three'])
    expect(words.filter(word => word.startsWith(kind))).toEqual([`${kind}:1`, `${kind}:2`])
    expect(words.at(-1)).toBe('…three')
  })

  test('one that arrives between fragments can be kept back too, and the fragments stay as they are', () => {
    const wire = wireWith()
    wire.controlRule(kind, { kind: 'delay', ms: 10 }, { from })
    const fragments = [wire.frame(from, 'one', { fin: false }), wire.frame(from, 'two', { opcode: 0 })]
    wire.bytes(from, fragments[0]!, beat(wire), fragments[1]!)
    wire.until(10)
    expect(wire.seen(to)).toEqual(['one…', '…two', `${kind}:x`])
  })

  test('what it keeps back outlives it, and is put inside no frame that came since', () => {
    const wire = wireWith()
    const rule = wire.controlRule(kind, { kind: 'delay', ms: 20 }, { from })
    const held = wire.controlRule(kind, hold, { from, match: frame => frame.payload.length === 1 })
    wire.bytes(from, beat(wire, 'late'), beat(wire, 'h'))
    const [frame] = held.heldFrames
    wire.without(rule, held)
    const data = wire.frame(from, 'under way')
    wire.bytes(from, data.subarray(0, 8))
    wire.until(20)
    wire.releaseFrame(frame)
    wire.bytes(from, data.subarray(8))
    expect(wire.seen(to).toSorted()).toEqual([`${kind}:h`, `${kind}:late`, 'under way'])
    wire.bytes(from, beat(wire, 'free'))
    expect(wire.seen(to).at(-1)).toBe(`${kind}:free`)
  })

  test('the clock is not asked for again and again while a frame is under way', () => {
    const wire = wireWith()
    wire.controlRule(kind, { kind: 'delay', ms: 20 }, { from })
    wire.bytes(from, beat(wire), wire.frame(from, 'under way').subarray(0, 8))
    wire.now = 20
    const outputs = wire.put({ kind: 'clock' })
    expect(outputs.filter(output => output.kind === 'wake' && output.at <= 20)).toEqual([])
  })

  test('everything it keeps back goes on at releaseAll', () => {
    const wire = wireWith()
    const rule = wire.controlRule(kind, hold, { from })
    wire.controlRule(kind, { kind: 'delay', ms: 1000 }, { from, match: frame => frame.payload.length > 1 })
    wire.bytes(from, beat(wire, '1'), beat(wire, 'long'), beat(wire, '2'))
    wire.put({ kind: 'releaseAll' })
    expect(wire.seen(to)).toEqual([`${kind}:1`, `${kind}:long`, `${kind}:2`])
    expect(rule.heldFrames).toEqual([])
  })

  test('what it keeps back goes with the connection, and the handle says so', () => {
    const wire = wireWith()
    const rule = wire.controlRule(kind, hold, { from })
    wire.bytes(from, beat(wire))
    expect(rule.heldFrames).toHaveLength(1)
    wire.put({ kind: 'terminate', how: 'fin' })
    expect(rule.heldFrames).toEqual([])
    expect(wire.seen(to)).toEqual(['fin'])
  })

  test('what it keeps back is never written behind a close frame', () => {
    const wire = wireWith()
    const rule = wire.controlRule(kind, hold, { from })
    wire.bytes(from, beat(wire))
    wire.bytes(from, wire.closeFrame(from, 1000))
    wire.releaseFrame(rule.heldFrames[0])
    expect(wire.seen(to)).toEqual(['close:1000:'])
    expect(rule.heldFrames).toEqual([])
  })

  test('an observer sees them all, and decides nothing', () => {
    const wire = wireWith()
    const seen: string[] = []
    wire.controlRule(kind, drop, { from, match: frame => frame.payload[0] === 0x62 })
    wire.controlRule(kind, { kind: 'observe', fn: frame => void seen.push(Buffer.from(frame.payload).toString()) }, { from })
    wire.bytes(from, beat(wire, 'a'), beat(wire, 'b'))
    expect(seen).toEqual(['a', 'b'])
    expect(wire.seen(to)).toEqual([`${kind}:a`])
  })
})

describe('rules on control frames', () => {
  test('go through a message that is held, while both directions starve or beat as they say (T04, T76)', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'hold', others: 'wait' }, { from: 'server' })
    wire.controlRule('ping', { kind: 'delay', ms: 100 }, { from: 'server' })
    wire.controlRule('pong', drop, { from: 'client' })
    wire.send('server', 'held')
    wire.ping('server', 'beat')
    wire.until(100)
    wire.pong('client', 'beat')
    wire.ping('client', 'mine')
    wire.pong('server', 'mine')
    expect(wire.seen('client')).toEqual(['ping:beat', 'pong:mine'])
    expect(wire.seen('server')).toEqual(['ping:mine'])
  })

  test('a delayed ping stays between the fragments of the message it was sent in, if that is held', () => {
    const wire = new VirtualWire()
    const held = wire.rule({ kind: 'hold', others: 'wait' })
    wire.controlRule('ping', { kind: 'delay', ms: 10 })
    wire.bytes(
      'server',
      wire.frame('server', 'one', { fin: false }),
      wire.frame('server', 'p', { opcode: 9 }),
      wire.frame('server', 'two', { opcode: 0 }),
    )
    expect(wire.seen('client')).toEqual([])
    wire.until(10)
    expect(wire.seen('client')).toEqual(['ping:p'])
    wire.release(held.held[0])
    expect(wire.seen('client')).toEqual(['ping:p', 'one…', '…two'])
  })

  test('one that throws fails its test, and the frame goes on', () => {
    const wire = new VirtualWire()
    wire.controlRule('ping', {
      kind: 'observe',
      fn: () => {
        throw new Error('broken observer')
      },
    })
    wire.controlRule('ping', drop, {
      match: () => {
        throw new Error('broken match')
      },
    })
    wire.ping('server', 'p')
    expect(wire.failures().toSorted()).toEqual(['broken match', 'broken observer'])
    expect(wire.seen('client')).toEqual(['ping:p'])
  })

  test('the newest decides, and an older one it kept from acting is shadowed', () => {
    const wire = new VirtualWire()
    const older = wire.controlRule('ping', hold)
    wire.controlRule('ping', drop, { times: 1 })
    wire.ping('server', '1')
    expect(older).toMatchObject({ shadowed: true, matched: 1, acted: 0 })
    wire.ping('server', '2')
    expect(older.heldFrames).toHaveLength(1)
    expect(wire.seen('client')).toEqual([])
  })
})
