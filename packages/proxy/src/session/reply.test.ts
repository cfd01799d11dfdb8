import { describe, expect, test } from 'vitest'
import { other } from '../side.ts'
import type { Side } from '../side.ts'
import { deflate } from '../ws/deflate.ts'
import { lineCodec, VirtualWire } from './testing/virtual-wire.ts'

const sides: readonly Side[] = ['client', 'server']

describe.for(sides)('reply, to the %s', from => {
  const to = other(from)
  const echo = { kind: 'reply', fn: (value: unknown) => `re:${String(value)}` } as const

  test('keeps the message from its receiver, and answers its sender in place', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(echo, { from, match: 'q' })
    wire.send(from, 'a', 'q', 'b')
    expect(wire.seen(to)).toEqual(['a', 'b'])
    expect(wire.seen(from)).toEqual(['re:q'])
    expect(rule).toMatchObject({ acted: 1, messages: [{ text: 'q', delivered: undefined }] })
    expect(wire.events()).toContainEqual(expect.objectContaining({ kind: 'injected', to: from, bytes: Buffer.from('re:q') }))
  })

  test('meets no rules, and so cannot loop (T08)', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(echo)
    const observer = wire.rule({ kind: 'observe', fn: () => {} })
    wire.send(from, 'q')
    expect(wire.seen(from)).toEqual(['re:q'])
    expect(wire.seen(to)).toEqual([])
    expect(rule.acted).toBe(1)
    expect(observer.acted).toBe(1)
  })

  test('comes behind what is held for the sender', () => {
    const wire = new VirtualWire()
    wire.rule(echo, { from })
    const held = wire.rule({ kind: 'hold', others: 'wait' }, { from: to })
    wire.send(to, 'held')
    wire.send(from, 'q')
    expect(wire.seen(from)).toEqual([])
    wire.release(held.held[0])
    expect(wire.seen(from)).toEqual(['held', 're:q'])
  })

  test('comes when the message reaches the head of its queue', () => {
    const wire = new VirtualWire()
    wire.rule(echo, { from, match: 'q' })
    const held = wire.rule({ kind: 'hold', others: 'wait' }, { from, match: 'h' })
    wire.send(from, 'h', 'q')
    expect(wire.seen(from)).toEqual([])
    wire.release(held.held[0])
    expect(wire.seen(from)).toEqual(['re:q'])
    expect(wire.seen(to)).toEqual(['h'])
  })

  test('is put inside no message that is being relayed to the sender', () => {
    const wire = new VirtualWire()
    wire.rule(echo, { from })
    wire.bytes(to, wire.frame(to, 'one', { fin: false }))
    wire.send(from, 'q')
    wire.bytes(to, wire.frame(to, 'two', { opcode: 0 }))
    expect(wire.seen(from)).toEqual(['one…', '…two', 're:q'])
  })

  test('that throws fails its test, and the message goes on', () => {
    const wire = new VirtualWire()
    const broken = (): never => {
      throw new Error('broken')
    }
    wire.rule({ kind: 'reply', fn: broken }, { from })
    wire.send(from, 'q')
    expect(wire.failures()).toEqual(['broken'])
    expect(wire.seen(to)).toEqual(['q'])
    expect(wire.seen(from)).toEqual([])
  })

  test('is followed by what follows the message', () => {
    const wire = new VirtualWire()
    wire.rule(echo, { from, then: [{ kind: 'terminate' }] })
    wire.send(from, 'q', 'never')
    expect(wire.seen(from)).toEqual(['re:q', 'fin'])
    expect(wire.seen(to)).toEqual(['fin'])
  })
})

describe.for(sides)('duplicate, of what the %s sends', from => {
  const to = other(from)
  const twice = { kind: 'duplicate' } as const
  const then = [{ kind: 'repeat', times: 2 }] as const

  test('writes the same payload again, so often, right behind the message', () => {
    const wire = new VirtualWire()
    wire.rule(twice, { from, match: 'b', then })
    wire.send(from, 'a', 'b', 'c')
    expect(wire.seen(to)).toEqual(['a', 'b', 'b', 'b', 'c'])
    expect(wire.messages().map(message => message.text)).toEqual(['a', 'b', 'c'])
  })

  test('binary stays binary, and what came in fragments is repeated in one frame', () => {
    const wire = new VirtualWire()
    wire.rule(twice, { from, then })
    wire.bytes(from, wire.frame(from, 'x', { opcode: 2, fin: false }), wire.frame(from, 'y', { opcode: 0 }))
    expect(wire.seen(to)).toEqual(['b:x…', '…y', 'b:xy', 'b:xy'])
  })

  test('what was compressed is compressed again, and the first copy keeps its bytes', () => {
    const wire = new VirtualWire({ deflate: { deflate: true } })
    wire.rule(twice, { from, then })
    const frame = wire.frame(from, deflate(Buffer.from('squeezed')), { rsv1: true })
    wire.bytes(from, frame)
    expect(wire.seen(to)).toEqual(['z:squeezed', 'z:squeezed', 'z:squeezed'])
    expect(wire.written(to).subarray(0, frame.length)).toEqual(frame)
  })

  test('copies meet no rules (T08)', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(twice, { then })
    wire.send(from, 'a')
    expect(rule).toMatchObject({ matched: 1, acted: 1 })
  })

  test('one of several messages in a frame is repeated behind itself', () => {
    const wire = new VirtualWire({ codec: lineCodec })
    wire.rule(twice, { from, match: 'b', then })
    wire.send(from, 'a\nb\nc\n')
    expect(wire.seen(to).join('')).toBe('a\nb\nb\nb\nc\n')
  })

  test('copies go between messages of the codec, also when its rule goes in the middle of the next', () => {
    const wire = new VirtualWire({ codec: lineCodec })
    const rule = wire.rule(twice, { from, match: 'b', then })
    wire.send(from, 'b\nhal')
    wire.without(rule)
    wire.send(from, 'f\n')
    expect(wire.seen(to).join('')).toBe('b\nb\nb\nhalf\n')
  })
})

test('nothing is written of a message cut short when the one before it ends the connection', () => {
  const wire = new VirtualWire({ codec: lineCodec })
  const hold = wire.rule({ kind: 'hold', others: 'wait' }, { match: 'a', then: [{ kind: 'terminate' }] })
  wire.send('server', 'a\nhal')
  const [message] = hold.held
  wire.without(hold)
  const outputs = wire.release(message)
  expect(outputs.at(-1)).toEqual({ kind: 'over' })
  expect(wire.seen('client')).toEqual(['a\n', 'fin'])
})
