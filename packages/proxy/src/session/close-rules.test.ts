import { describe, expect, test } from 'vitest'
import { other } from '../side.ts'
import type { Side } from '../side.ts'
import { VirtualWire } from './testing/virtual-wire.ts'

const sides: readonly Side[] = ['client', 'server']

describe.for(sides)('a rule on the close frames of the %s', from => {
  const to = other(from)

  test('holds them: the sender sees what comes meanwhile, and its FIN stays behind until the release (T27)', () => {
    const wire = new VirtualWire()
    const rule = wire.controlRule('close', { kind: 'hold' }, { from })
    wire.bytes(from, wire.closeFrame(from, 4001, 'bye'))
    expect(wire.session.phase).toBe('closing')
    wire.send(to, 'a', 'b')
    wire.ping(to, 'p')
    expect(wire.seen(from)).toEqual(['a', 'b', 'ping:p'])
    wire.put({ kind: 'end', from, how: 'fin' })
    wire.until(60_000)
    expect(wire.seen(to)).toEqual([])
    expect(wire.seen(from)).toEqual(['a', 'b', 'ping:p'])
    expect(rule.heldFrames).toMatchObject([{ kind: 'close', from, code: 4001, reason: 'bye' }])
    wire.releaseFrame(rule.heldFrames[0])
    expect(wire.seen(to)).toEqual(['close:4001:bye', 'fin'])
    expect(rule.heldFrames).toEqual([])
    wire.bytes(to, wire.closeFrame(to, 4001, 'bye'))
    expect(wire.seen(from)).toEqual(['a', 'b', 'ping:p', 'close:4001:bye'])
  })

  test('delays them, and what the sender sent before is there before (T27)', () => {
    const wire = new VirtualWire()
    wire.controlRule('close', { kind: 'delay', ms: 50 }, { from })
    const frame = wire.closeFrame(from, 1000)
    wire.bytes(from, wire.frame(from, 'last'), frame)
    wire.put({ kind: 'end', from, how: 'fin' })
    wire.until(49)
    expect(wire.seen(to)).toEqual(['last'])
    wire.until(50)
    expect(wire.seen(to)).toEqual(['last', 'close:1000:', 'fin'])
    expect(wire.written(to).subarray(-frame.length)).toEqual(frame)
  })

  test('drops them: the receiver only sees the end of the connection', () => {
    const wire = new VirtualWire()
    wire.controlRule('close', { kind: 'drop' }, { from })
    wire.bytes(from, wire.frame(from, 'last'), wire.closeFrame(from, 1000))
    wire.put({ kind: 'end', from, how: 'fin' })
    expect(wire.seen(to)).toEqual(['last', 'fin'])
    wire.send(to, 'still')
    wire.put({ kind: 'end', from: to, how: 'fin' })
    expect(wire.seen(from)).toEqual(['still', 'fin'])
    expect(wire.outputs.at(-1)).toEqual({ kind: 'over' })
  })

  test.for([
    [1012, 'restart', 'close:1012:restart'],
    [undefined, '', 'close'],
  ] as const)('replaces them with %s', ([code, reason, word]) => {
    const wire = new VirtualWire()
    wire.controlRule('close', { kind: 'replace', code, reason }, { from })
    wire.bytes(from, wire.closeFrame(from, 4001, 'bye'))
    expect(wire.seen(to)).toEqual([word])
    expect(wire.events()[0]).toMatchObject({ kind: 'close', from, code: 4001, reason: 'bye' })
    expect(wire.notes()).toEqual([expect.stringMatching(/^close frame from the .* replaced by onControl/)])
  })

  test('observes them, and they go on', () => {
    const wire = new VirtualWire()
    const codes: number[] = []
    wire.controlRule('close', { kind: 'observe', fn: frame => void codes.push(frame.code) }, { from })
    wire.bytes(from, wire.closeFrame(from))
    expect(codes).toEqual([1005])
    expect(wire.seen(to)).toEqual(['close'])
  })

  test('can go for one reason and let another pass', () => {
    const wire = new VirtualWire()
    wire.controlRule('close', { kind: 'drop' }, { match: { code: 1001 } })
    wire.bytes(from, wire.closeFrame(from, 1000))
    expect(wire.seen(to)).toEqual(['close:1000:'])
  })

  test('lets them go at releaseAll, behind what was held before', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'hold', others: 'pass' }, { from })
    const rule = wire.controlRule('close', { kind: 'hold' }, { from })
    wire.bytes(from, wire.frame(from, 'aside'), wire.closeFrame(from, 1000))
    wire.put({ kind: 'releaseAll' })
    expect(wire.seen(to)).toEqual(['aside', 'close:1000:'])
    expect(rule.heldFrames).toEqual([])
  })

  test('lets go of them when the receiver resets, or the connection is terminated', () => {
    for (const end of [
      (wire: VirtualWire) => wire.put({ kind: 'end', from: to, how: 'rst' }),
      (wire: VirtualWire) => wire.put({ kind: 'terminate', how: 'fin' }),
    ]) {
      const wire = new VirtualWire()
      const rule = wire.controlRule('close', { kind: 'hold' }, { from })
      wire.bytes(from, wire.closeFrame(from, 1000))
      expect(rule.heldFrames).toHaveLength(1)
      end(wire)
      expect(rule.heldFrames).toEqual([])
      expect(wire.outputs.at(-1)).toEqual({ kind: 'over' })
    }
  })

  test('is not asked about the answer to a close frame of our own, which goes nowhere', () => {
    const wire = new VirtualWire()
    const rule = wire.controlRule('close', { kind: 'hold' }, { from })
    wire.put({ kind: 'close', to: 'both', code: 1001, reason: '' })
    wire.bytes(from, wire.closeFrame(from, 1001))
    expect(rule).toMatchObject({ matched: 0, heldFrames: [] })
    expect(wire.seen(from)).toEqual(['close:1001:', 'fin'])
  })
})

describe('once both sides have sent a close frame', () => {
  test.for(sides)('the one that waited behind a held message of the %s leaves in the same turn (T25)', from => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'hold', others: 'wait' }, { from })
    wire.bytes(from, wire.frame(from, 'held'), wire.closeFrame(from, 1000))
    expect(wire.seen(other(from))).toEqual([])
    wire.bytes(other(from), wire.closeFrame(other(from), 1001))
    expect(wire.seen(other(from))).toEqual(['close:1000:'])
    expect(wire.seen(from)).toEqual(['close:1001:'])
    expect(rule.held).toEqual([])
  })

  test('a message set aside is given up too, and weighs no more', () => {
    const wire = new VirtualWire({ holdLimit: 100 })
    wire.rule({ kind: 'hold', others: 'pass' }, { from: 'server' })
    const late = wire.controlRule('close', { kind: 'hold' }, { from: 'server' })
    wire.send('server', 'x'.repeat(200))
    expect(wire.outputs).toContainEqual({ kind: 'pause', from: 'server' })
    wire.bytes('server', wire.closeFrame('server', 1000))
    wire.bytes('client', wire.closeFrame('client', 1000))
    expect(wire.outputs).toContainEqual({ kind: 'resume', from: 'server' })
    wire.releaseFrame(late.heldFrames[0])
    expect(wire.seen('client')).toEqual(['close:1000:'])
  })
})
