import { describe, expect, test } from 'vitest'
import type { Connection } from '../connection.ts'
import { Scope } from '../scope.ts'
import { VirtualWire } from '../session/testing/virtual-wire.ts'
import { createMatch } from './match.ts'

const drop = { kind: 'drop' } as const
const replaceWith = (text: string): { kind: 'replace'; fn: () => string } => ({ kind: 'replace', fn: () => text })

test('the newest rule is asked first, and the first that decides, decides', () => {
  const wire = new VirtualWire()
  const older = wire.rule(replaceWith('older'))
  const newer = wire.rule(replaceWith('newer'), { match: 'a' })
  wire.send('client', 'a', 'b')
  expect(wire.seen('server')).toEqual(['newer', 'older'])
  expect([older.matched, older.acted, older.shadowed]).toEqual([2, 1, true])
  expect([newer.matched, newer.acted, newer.shadowed]).toEqual([1, 1, false])
})

test("a test's rules are asked before those of the blocks around it, also when those are newer", () => {
  const block = new Scope('block')
  const wire = new VirtualWire()
  const inner = new Scope('inner', wire.scope)
  wire.rule(replaceWith('inner'), { scope: inner })
  wire.rule(replaceWith('outer'))
  wire.rule(replaceWith('stranger'), { scope: block })
  wire.send('client', 'a')
  expect(wire.seen('server')).toEqual(['inner'])
})

test('rules of a scope that has ended meet nothing', () => {
  const wire = new VirtualWire()
  const inner = new Scope('inner', wire.scope)
  const rule = wire.rule(drop, { scope: inner })
  inner.end()
  wire.rules.endScope(inner)
  wire.send('client', 'a')
  expect(wire.seen('server')).toEqual(['a'])
  expect(rule.disposed).toBe(true)
})

test('a rule of one connection leaves the others alone', () => {
  const wire = new VirtualWire()
  wire.rules.add({ ...wire.rule({ kind: 'drop' }, { match: 'a' }).rule, match: createMatch(), connection: {} as Connection })
  wire.send('client', 'a', 'b')
  expect(wire.seen('server')).toEqual(['b'])
})

test('observe sees every match and never decides, whatever others decide', () => {
  const wire = new VirtualWire()
  const seen: unknown[] = []
  wire.rule({ kind: 'observe', fn: value => void seen.push(value) })
  wire.rule(drop, { match: 'b' })
  wire.rule({ kind: 'observe', fn: value => void seen.push(`newer ${String(value)}`) })
  wire.send('client', 'a', 'b')
  expect(seen).toEqual(['newer a', 'a', 'newer b', 'b'])
  expect(wire.seen('server')).toEqual(['a'])
})

describe('counting', () => {
  test('times is spent only by acting', () => {
    const wire = new VirtualWire()
    const older = wire.rule(drop, { times: 1 })
    const newer = wire.rule(replaceWith('x'), { times: 2 })
    wire.send('client', 'a', 'b', 'c', 'd')
    expect(wire.seen('server')).toEqual(['x', 'x', 'd'])
    expect([older.acted, older.matched, newer.acted, newer.matched]).toEqual([1, 4, 2, 4])
  })

  test('nth counts the matches since the declaration, also those that a newer rule decided', () => {
    const wire = new VirtualWire()
    wire.send('client', 'm')
    const third = wire.rule(drop, { match: (text: string) => text.startsWith('m'), nth: 3 })
    wire.rule(replaceWith('x'), { match: 'm2' })
    wire.send('client', 'm1', 'm2', 'other', 'm3', 'm4')
    expect(wire.seen('server')).toEqual(['m', 'm1', 'x', 'other', 'm4'])
    expect([third.acted, third.shadowed]).toEqual([1, false])
  })

  test('a rule whose only chance was decided by a newer one is shadowed', () => {
    const wire = new VirtualWire()
    const second = wire.rule(drop, { nth: 2 })
    wire.rule(replaceWith('x'), { match: 'b' })
    wire.send('client', 'a', 'b', 'c')
    expect([second.acted, second.shadowed, second.canAct]).toEqual([0, true, false])
  })

  test('times: 1 under 1000 matches acts once (T90)', () => {
    const wire = new VirtualWire()
    const rule = wire.rule({ kind: 'handle', fn: () => undefined }, { times: 1 })
    wire.send('client', ...Array.from({ length: 500 }, (_, i) => `a${i}`))
    wire.send('server', ...Array.from({ length: 500 }, (_, i) => `b${i}`))
    expect(wire.outputs.filter(output => output.kind === 'ask')).toHaveLength(1)
    expect([rule.acted, rule.matched]).toEqual([1, 1000])
  })

  test('a spent rule lets chunks through as they are again', () => {
    const wire = new VirtualWire()
    wire.rule(drop, { times: 1 })
    wire.send('client', 'a')
    const chunk = wire.frame('client', 'b')
    expect(wire.put({ kind: 'bytes', from: 'client', bytes: chunk })).toEqual([{ kind: 'write', to: 'server', bytes: chunk }])
  })

  test('the messages it acted on are kept, in order, and listeners are told', () => {
    const wire = new VirtualWire()
    const rule = wire.rule(drop, { match: (text: string) => text !== 'b' })
    let told = 0
    const stop = rule.onChange(() => told++)
    wire.send('client', 'a', 'b', 'c')
    stop()
    wire.send('client', 'd')
    expect(rule.messages.map(message => message.text)).toEqual(['a', 'c', 'd'])
    expect(told).toBe(2)
  })
})
