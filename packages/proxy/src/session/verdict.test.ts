import { describe, expect, test } from 'vitest'
import type { Message } from '../message.ts'
import { VirtualWire } from './testing/virtual-wire.ts'

const hold = { kind: 'hold', others: 'wait' } as const

const json = {
  name: 'json',
  stateless: true,
  decode: (bytes: Uint8Array) => ({
    messages: [{ value: JSON.parse(Buffer.from(bytes).toString()) as unknown, bytes }],
    rest: Buffer.alloc(0),
  }),
  encode: (value: unknown) => JSON.stringify(value),
}

test('changing the value of a message changes nothing on the wire, for rules and for observers (T14)', () => {
  const wire = new VirtualWire({ codec: json })
  const spoil = (value: { a: number }): boolean => {
    value.a = 2
    return false
  }
  wire.rule({ kind: 'drop' }, { match: spoil })
  wire.rule({ kind: 'observe', fn: value => void spoil(value as { a: number }) })
  wire.send('client', '{"a":1}')
  expect(wire.seen('server')).toEqual(['{"a":1}'])
})

test('a patch changes a value of its own, or returns one', () => {
  const wire = new VirtualWire({ codec: json })
  wire.rule({ kind: 'patch', fn: value => void ((value as { a: number }).a += 1) }, { match: { a: 1 } })
  wire.rule({ kind: 'patch', fn: () => ({ b: 5 }) }, { match: { a: 7 } })
  wire.send('client', '{"a":1}', '{"a":7}')
  expect(wire.seen('server')).toEqual(['{"a":2}', '{"b":5}'])
  expect(wire.messages().map(message => message.value)).toEqual([{ a: 1 }, { a: 7 }])
})

test.for<[name: string, action: Parameters<VirtualWire['rule']>[0], error: RegExp]>([
  [
    'a patch that throws',
    {
      kind: 'patch',
      fn: () => {
        throw new Error('broken patch')
      },
    },
    /broken patch/,
  ],
  ['a patch that returns a promise', { kind: 'patch', fn: async () => 1 }, /a patch must be done when it returns/],
  [
    'a replacement that throws',
    {
      kind: 'replace',
      fn: () => {
        throw new Error('broken replacement')
      },
    },
    /broken replacement/,
  ],
  ['a replacement without a JSON form', { kind: 'replace', fn: () => undefined }, /encoded a value as undefined/],
  [
    'an observer that throws',
    {
      kind: 'observe',
      fn: () => {
        throw new Error('broken observer')
      },
    },
    /broken observer/,
  ],
])('%s fails with its rule and message, and the message passes', ([, action, error]) => {
  const wire = new VirtualWire({ codec: json })
  const rule = wire.rule(action)
  wire.send('client', '{"a":1}', '{"a":2}')
  expect(wire.seen('server')).toEqual(['{"a":1}', '{"a":2}'])
  expect(wire.outputs.filter(output => output.kind === 'fail')).toMatchObject([
    { rule: rule.rule, message: { text: '{"a":1}' }, error: { message: expect.stringMatching(error) } },
    { rule: rule.rule, message: { text: '{"a":2}' } },
  ])
})

test('a predicate that throws fails, and the other rules are asked all the same', () => {
  const wire = new VirtualWire()
  const older = wire.rule({ kind: 'drop' }, { match: 'b' })
  wire.rule(
    { kind: 'drop' },
    {
      match: () => {
        throw new Error('broken predicate')
      },
    },
  )
  wire.send('client', 'a', 'b')
  expect(wire.failures()).toEqual(['broken predicate', 'broken predicate'])
  expect(wire.seen('server')).toEqual(['a'])
  expect(older.acted).toBe(1)
})

test('what cannot be encoded to follow a message fails with its rule, and the message is treated as decided', () => {
  const wire = new VirtualWire()
  const rule = wire.rule({ kind: 'drop' }, { then: [{ kind: 'send', to: 'client', value: 'a\ud800' }] })
  wire.send('client', 'a')
  expect(wire.outputs).toMatchObject([
    { kind: 'fail', rule: rule.rule, message: { text: 'a' }, error: { message: expect.stringMatching(/lone surrogate/) } },
  ])
})

describe('what a message tells', () => {
  const told = ({ verdict, decidedBy, delivered }: Message): unknown => ({ verdict, decidedBy, delivered: delivered?.toString() })

  test('as it came', async () => {
    const wire = new VirtualWire()
    wire.send('client', 'a')
    const [message] = wire.messages()
    expect(told(message!)).toEqual({ verdict: { kind: 'pass' }, decidedBy: undefined, delivered: 'a' })
    await expect(message?.whenDelivered).resolves.toEqual(Buffer.from('a'))
  })

  test('dropped, by name', async () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'drop' }, { name: 'lose it' })
    wire.send('client', 'a')
    const [message] = wire.messages()
    expect(told(message!)).toEqual({ verdict: { kind: 'drop' }, decidedBy: '"lose it" (wire.test.ts:7)', delivered: undefined })
    await expect(message?.whenDelivered).resolves.toBeUndefined()
  })

  test('replaced, by place', () => {
    const wire = new VirtualWire()
    wire.rule({ kind: 'replace', fn: () => 'b' })
    wire.send('client', 'a')
    expect(told(wire.messages()[0]!)).toEqual({
      verdict: { kind: 'replace', value: 'b' },
      decidedBy: 'onMessage (wire.test.ts:7)',
      delivered: 'b',
    })
  })

  test('held: decided, and not delivered before its release', async () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { match: 'a' })
    wire.send('client', 'a', 'b')
    const [held, behind] = wire.messages()
    expect(told(held!)).toEqual({
      verdict: { kind: 'hold', others: 'wait' },
      decidedBy: 'onMessage (wire.test.ts:7)',
      delivered: undefined,
    })
    expect(told(behind!)).toEqual({ verdict: { kind: 'pass' }, decidedBy: undefined, delivered: undefined })
    expect(rule.held).toEqual([held])
    const delivery = behind?.whenDelivered
    wire.release(held)
    await expect(delivery).resolves.toEqual(Buffer.from('b'))
    expect(held?.delivered?.toString()).toBe('a')
  })

  test('being decided: no verdict yet', () => {
    const wire = new VirtualWire()
    wire.ask()
    wire.send('client', 'a')
    expect(wire.messages()[0]?.verdict).toBeUndefined()
    wire.decide('a', { kind: 'drop' })
    expect(wire.messages()[0]?.verdict).toEqual({ kind: 'drop' })
  })

  test('relayed behind a held one without being judged: not delivered before it is written', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(hold, { times: 1 })
    wire.send('client', 'a')
    wire.send('client', 'b')
    expect(wire.messages()[1]?.delivered).toBeUndefined()
    wire.release(rule.held[0])
    expect(wire.messages()[1]?.delivered?.toString()).toBe('b')
  })
})
