import { describe, expect, test } from 'vitest'
import { VirtualWire } from '../session/testing/virtual-wire.ts'
import type { Selection } from './rule.ts'

/** Which of ten messages a rule acts on. */
function chosen(selection: Selection): number[] {
  const wire = new VirtualWire()
  wire.rule({ kind: 'drop' }, selection)
  const all = Array.from({ length: 10 }, (_, n) => n + 1)
  wire.send('client', ...all.map(String))
  const seen = new Set(wire.seen('server'))
  return all.filter(n => !seen.has(String(n)))
}

describe('of ten messages, a rule acts with', () => {
  const cases: readonly [selection: Selection, acts: readonly number[]][] = [
    [{}, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
    [{ times: 3 }, [1, 2, 3]],
    [{ nth: 3 }, [3]],
    [{ every: 4 }, [4, 8]],
    [{ skip: 8 }, [9, 10]],
    [{ skip: 2, times: 2 }, [3, 4]],
    [{ skip: 2, every: 3 }, [5, 8]],
    [{ skip: 1, every: 2, times: 2 }, [3, 5]],
    [{ every: 2, times: 3 }, [2, 4, 6]],
    [{ skip: 2, nth: 3 }, [3]],
    [{ every: 2, nth: 2 }, [2]],
    [{ skip: 3, nth: 3 }, []],
    [{ skip: 1, every: 2, nth: 3, times: 1 }, [3]],
    [{ nth: 3, times: 2 }, [3]],
  ]
  test.for(cases.map(([selection, acts]) => [JSON.stringify(selection), acts, selection] as const))('%s on %j', ([, acts, selection]) => {
    expect(chosen(selection)).toEqual(acts)
  })
})

describe('after', () => {
  test('matches count only from then on, with all that selects among them', () => {
    const wire = new VirtualWire()
    let armed = false
    const rule = wire.rule({ kind: 'drop' }, { after: () => armed, skip: 1, every: 2, times: 1 })
    wire.send('client', '1', '2', '3', '4')
    expect(rule.matched).toBe(0)
    armed = true
    wire.send('client', '5', '6', '7', '8', '9', '10')
    expect(wire.seen('server')).toEqual(['1', '2', '3', '4', '5', '6', '8', '9', '10'])
    expect(rule).toMatchObject({ acted: 1, matched: 6 })
  })

  test('the act of one rule arms another, in the same chunk', () => {
    const wire = new VirtualWire()
    const first = wire.rule({ kind: 'drop' }, { match: 'go' })
    wire.rule({ kind: 'drop' }, { match: 'x', after: () => first.acted > 0, times: 1 })
    wire.send('client', 'x', 'go', 'x', 'x')
    expect(wire.seen('server')).toEqual(['x', 'x'])
  })
})

describe('what selects among messages', () => {
  test('selects among control frames too', () => {
    const wire = new VirtualWire()
    const rule = wire.controlRule('ping', { kind: 'drop' }, { skip: 1, every: 2, times: 2 })
    for (let n = 1; n <= 9; n++) wire.ping('server', String(n))
    expect(wire.seen('client').join(' ')).toBe('ping:1 ping:2 ping:4 ping:6 ping:7 ping:8 ping:9')
    expect(rule).toMatchObject({ acted: 2, matched: 9 })
  })

  test('counts what a newer rule decided, and spends times only by acting', () => {
    const wire = new VirtualWire()
    const older = wire.rule({ kind: 'drop' }, { skip: 1, times: 1 })
    wire.rule({ kind: 'replace', fn: () => 'new' }, { times: 2 })
    wire.send('client', '1', '2', '3', '4')
    expect(wire.seen('server')).toEqual(['new', 'new', '4'])
    expect(older).toMatchObject({ acted: 1, shadowed: true, matched: 4 })
  })

  test('a rule that cannot act any more makes no message wait', () => {
    for (const selection of [{ times: 1 }, { nth: 1 }, { skip: 1, nth: 1 }]) {
      const wire = new VirtualWire()
      wire.rule({ kind: 'drop' }, selection)
      wire.send('client', '1', '2')
      const half = wire.frame('client', 'half').subarray(0, 8)
      wire.bytes('client', half)
      expect(wire.written('server').subarray(-half.length)).toEqual(half)
    }
  })
})
