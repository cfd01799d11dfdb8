import { expect, test } from 'vitest'
import { VirtualWire } from './testing/virtual-wire.ts'

const hold = { kind: 'hold', others: 'wait' } as const

test('a mark comes out once all that came before it has been carried out', () => {
  const wire = new VirtualWire()
  const rule = wire.rule(hold, { match: 'm1' })
  wire.send('server', 'm1')
  expect(wire.put({ kind: 'mark', from: 'server', id: 1 })).toEqual([])
  wire.release(rule.held[0])
  expect(wire.outputs.filter(({ kind }) => kind === 'write' || kind === 'mark').map(({ kind }) => kind)).toEqual(['write', 'mark'])
})

test('a mark does not wait for what was set aside', () => {
  const wire = new VirtualWire()
  wire.rule({ kind: 'hold', others: 'pass' }, { match: 'm1' })
  wire.send('server', 'm1')
  expect(wire.put({ kind: 'mark', from: 'server', id: 7 })).toEqual([{ kind: 'mark', to: 'client', id: 7 }])
})

test('what was relayed by other means is seen by observers, and no rule decides or counts it', () => {
  const wire = new VirtualWire()
  const seen: unknown[] = []
  const dropped = wire.rule({ kind: 'drop' })
  wire.rule({ kind: 'observe', fn: value => void seen.push(value) })
  expect(wire.session.mustJudge('server')).toBe(true)
  wire.put({ kind: 'bytes', from: 'server', bytes: wire.frame('server', 'm1'), relayed: true })
  expect(seen).toEqual(['m1'])
  expect(dropped.matched).toBe(0)
  expect(wire.seen('client')).toEqual(['m1'])
})

test('nothing has to be judged where no rule decides, and nothing waits', () => {
  const wire = new VirtualWire()
  wire.rule({ kind: 'observe', fn: () => {} })
  expect(wire.session.mustJudge('server')).toBe(false)
  const rule = wire.rule(hold, { match: 'm1', times: 1 })
  wire.send('server', 'm1')
  expect(wire.session.mustJudge('server')).toBe(true)
  wire.release(rule.held[0])
  expect(wire.session.mustJudge('server')).toBe(false)
})
