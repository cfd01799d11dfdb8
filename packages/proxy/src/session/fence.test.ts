import { describe, expect, test } from 'vitest'
import { other } from '../side.ts'
import type { Side } from '../side.ts'
import { VirtualWire } from './testing/virtual-wire.ts'

const sides: readonly Side[] = ['client', 'server']
const hold = { kind: 'hold', others: 'wait' } as const

/** The payloads of the pings that a side was sent, in order: what it would answer. */
function pinged(wire: VirtualWire, side: Side): string[] {
  return wire.seen(side).flatMap(word => (word.startsWith('ping:') ? [word.slice('ping:'.length)] : []))
}

describe.for(sides)('a fence for the %s', to => {
  const from = other(to)

  test('is a ping behind what was sent before, met when its pong comes, which goes no further', () => {
    const wire = new VirtualWire()
    wire.send(from, 'a')
    wire.put({ kind: 'fence', to, id: 7 })
    wire.send(from, 'b')
    expect(wire.seen(to)).toEqual(['a', expect.stringMatching(/^ping:midwire fence 7 /), 'b'])
    expect(wire.fenced()).toEqual([])
    wire.pong(to, pinged(wire, to)[0])
    expect(wire.fenced()).toEqual(['7'])
    expect(wire.seen(from)).toEqual([])
    wire.pong(to, pinged(wire, to)[0])
    expect(wire.fenced()).toEqual(['7'])
    expect(wire.seen(from)).toHaveLength(1)
  })

  test('waits behind what is held, and what a rule decides later comes before it', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { from })
    wire.send(from, 'held')
    wire.put({ kind: 'fence', to, id: 1 })
    expect(wire.seen(to)).toEqual([])
    wire.release(rule.held[0])
    expect(wire.seen(to)).toEqual(['held', expect.stringMatching(/^ping:/)])
  })

  test('leaves all other pongs alone, unsolicited ones too (T78)', () => {
    const wire = new VirtualWire()
    wire.put({ kind: 'fence', to, id: 1 })
    wire.pong(to, 'unsolicited')
    wire.ping(from, 'theirs')
    wire.pong(to, 'theirs')
    wire.pong(to)
    expect(wire.seen(from)).toEqual(['pong:unsolicited', 'pong:theirs', 'pong:'])
    expect(wire.fenced()).toEqual([])
  })

  test('no rule on pongs is asked about the answer', () => {
    const wire = new VirtualWire()
    const rule = wire.controlRule('pong', { kind: 'hold' })
    wire.put({ kind: 'fence', to, id: 1 })
    wire.pong(to, pinged(wire, to)[0])
    expect(wire.fenced()).toEqual(['1'])
    expect(rule.matched).toBe(0)
  })

  test('is met too when a later one is: a peer need answer the most recent ping only', () => {
    const wire = new VirtualWire()
    wire.put({ kind: 'fence', to, id: 1 })
    wire.put({ kind: 'fence', to, id: 2 })
    wire.pong(to, pinged(wire, to)[1])
    expect(wire.fenced()).toEqual(['1', '2'])
    expect(wire.seen(from)).toEqual([])
  })

  test('is never written inside a message that is being relayed', () => {
    const wire = new VirtualWire()
    wire.bytes(from, wire.frame(from, 'one', { fin: false }))
    wire.put({ kind: 'fence', to, id: 1 })
    expect(wire.seen(to)).toEqual(['one…'])
    wire.bytes(from, wire.frame(from, 'two', { opcode: 0 }))
    expect(wire.seen(to)).toEqual(['one…', '…two', expect.stringMatching(/^ping:/)])
  })

  const deaths: readonly [how: string, die: (wire: VirtualWire) => void, problem: string][] = [
    ['it has sent its close frame', wire => wire.bytes(to, wire.closeFrame(to, 1000)), `1: the ${to} has sent its close frame`],
    ['it ends its leg', wire => wire.put({ kind: 'end', from: to, how: 'fin' }), `1: the ${to} has ended its leg`],
    ['it resets the connection', wire => wire.put({ kind: 'end', from: to, how: 'rst' }), `1: the ${to} has ended its leg`],
    ['the other resets', wire => wire.put({ kind: 'end', from, how: 'rst' }), `1: nothing can follow the end of the ${to}'s leg`],
    ['the connection is terminated', wire => wire.put({ kind: 'terminate', how: 'fin' }), '1: the connection was terminated'],
  ]

  test.for(deaths)('fails when %s before its pong came', ([, die, problem]) => {
    const wire = new VirtualWire()
    wire.put({ kind: 'fence', to, id: 1 })
    die(wire)
    expect(wire.fenced()).toEqual([problem])
  })

  test.for(deaths)('fails once when %s while it waits behind a hold', ([, die, problem]) => {
    const wire = new VirtualWire()
    wire.rule(hold, { from })
    wire.send(from, 'held')
    wire.put({ kind: 'fence', to, id: 1 })
    die(wire)
    wire.put({ kind: 'releaseAll' })
    if (wire.fenced().length === 0) wire.put({ kind: 'end', from: to, how: 'fin' })
    expect(wire.fenced()).toHaveLength(1)
    if (!problem.includes('nothing can follow')) expect(wire.fenced()).toEqual([problem])
  })

  test('is met behind a FIN of the other: a half-closed side still answers (T28)', () => {
    const wire = new VirtualWire()
    wire.put({ kind: 'fence', to, id: 1 })
    wire.put({ kind: 'end', from, how: 'fin' })
    wire.put({ kind: 'fence', to, id: 2 })
    wire.pong(to, pinged(wire, to)[0])
    expect(wire.fenced()).toEqual([`2: nothing can follow the end of the ${to}'s leg`, '1'])
    expect(wire.seen(from)).toEqual([])
  })

  test('fails at once on a connection that is over', () => {
    const wire = new VirtualWire()
    wire.put({ kind: 'terminate', how: 'fin' })
    wire.put({ kind: 'fence', to, id: 3 })
    expect(wire.fenced()).toEqual(['3: the connection is over'])
  })

  test('fails at once behind a close frame, whoever sent it', () => {
    for (const close of [
      (wire: VirtualWire) => wire.bytes(from, wire.closeFrame(from, 1000)),
      (wire: VirtualWire) => wire.put({ kind: 'close', to, code: 1000, reason: '' }),
    ]) {
      const wire = new VirtualWire()
      close(wire)
      wire.put({ kind: 'fence', to, id: 1 })
      expect(wire.fenced()).toEqual(['1: the close frame had gone before'])
      expect(wire.seen(to)).toEqual(['close:1000:'])
    }
  })
})

describe.for(sides)('a ping of our own to the %s', to => {
  const from = other(to)

  test('overtakes what is held, and its pong goes no further (T76)', () => {
    const wire = new VirtualWire()
    wire.rule(hold, { from })
    wire.send(from, 'held')
    wire.put({ kind: 'ping', to, payload: Buffer.from('ours') })
    expect(wire.seen(to)).toEqual(['ping:ours'])
    wire.pong(to, 'ours')
    expect(wire.seen(from)).toEqual([])
    wire.pong(to, 'ours')
    expect(wire.seen(from)).toEqual(['pong:ours'])
  })

  test('goes between the fragments of a message, and never inside a frame', () => {
    for (const prepare of [() => {}, (wire: VirtualWire) => void wire.controlRule('pong', { kind: 'drop' })]) {
      const wire = new VirtualWire()
      prepare(wire)
      const second = wire.frame(from, 'two', { opcode: 0 })
      wire.bytes(from, wire.frame(from, 'one', { fin: false }), second.subarray(0, 7))
      wire.put({ kind: 'ping', to, payload: Buffer.from('1') })
      wire.bytes(from, second.subarray(7))
      wire.bytes(from, wire.frame(from, 'three', { fin: false }))
      wire.put({ kind: 'ping', to, payload: Buffer.from('2') })
      wire.bytes(from, wire.frame(from, 'four', { opcode: 0 }))
      expect(wire.seen(to)).toEqual(['one…', '…two', 'ping:1', 'three…', 'ping:2', '…four'])
    }
  })

  test('as many pongs are swallowed as pings were sent, also of the same payload', () => {
    const wire = new VirtualWire()
    for (let n = 0; n < 2; n++) wire.put({ kind: 'ping', to, payload: Buffer.alloc(0) })
    for (let n = 0; n < 3; n++) wire.pong(to)
    expect(wire.seen(from)).toEqual(['pong:'])
  })

  test('is not sent behind a close frame, with a line', () => {
    const wire = new VirtualWire()
    wire.bytes(from, wire.closeFrame(from, 1000))
    wire.put({ kind: 'ping', to, payload: Buffer.alloc(0) })
    expect(wire.seen(to)).toEqual(['close:1000:'])
    expect(wire.notes()).toEqual([`a ping to the ${to} was not sent: the close frame had gone before`])
  })
})
