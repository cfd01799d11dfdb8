import { describe, expect, test } from 'vitest'
import { IdenticalWaits, isSameMatch, isSelfContained } from './identical-waits.ts'

const at = { file: '/a.test.ts', line: 3, column: 1 }

describe('two matches are the same', () => {
  test('when their structure is', () => {
    expect(isSameMatch({ action: 'ACK', n: { k: [1, /a/] } }, { action: 'ACK', n: { k: [1, /a/] } })).toBe(true)
    expect(isSameMatch({ action: 'ACK' }, { action: 'NACK' })).toBe(false)
    expect(isSameMatch({ action: 'ACK' }, { action: 'ACK', more: undefined })).toBe(false)
    expect(isSameMatch([1, 2], { 0: 1, 1: 2 })).toBe(false)
    expect(isSameMatch(/a/i, /a/)).toBe(false)
    expect(isSameMatch(undefined, undefined)).toBe(true)
  })

  test('when their asymmetric matchers are', () => {
    expect(isSameMatch({ id: expect.any(String) }, { id: expect.any(String) })).toBe(true)
    expect(isSameMatch({ id: expect.any(String) }, { id: expect.any(Number) })).toBe(false)
    expect(isSameMatch(expect.objectContaining({ a: 1 }), expect.objectContaining({ a: 2 }))).toBe(false)
  })

  test('when they are one function, whatever it uses from outside', () => {
    const wanted = 'a'
    const match = (m: { id: string }): boolean => m.id === wanted
    expect(isSameMatch(match, match)).toBe(true)
  })

  test('when their source is the same and uses nothing from outside', () => {
    const make = () => (m: { id: string }) => m.id === 'a' && /x/.test(m.id)
    expect(isSameMatch(make(), make())).toBe(true)
  })

  test('but not when the source uses a variable from outside: it may differ', () => {
    const make = (wanted: string) => (m: { id: string }) => m.id === wanted
    expect(isSameMatch(make('a'), make('b'))).toBe(false)
  })
})

test.each([
  ["m => m.action === 'ACK'", true],
  ["(m, message) => m.n > 3 && message.from === 'client'", true],
  ["m => m.list.some(one => one.id === 'x')", true],
  ["({ action }) => action === 'x'", true],
  ['m => { const k = m.k; return k === 1 }', true],
  ['function (m) { return m.a === 1 }', true],
  ["m => JSON.stringify(m) === '{ outer }'", true],
  ['m => m.id === id', false],
  ['m => m.a === 1 ? outer : 0', false],
  ['m => m.a === `x${outer}`', false],
  ['(m, id = outer) => m.id === id', false],
  ['m => m.id === __vi_import_0__.id', false],
  ['m => [...outer].includes(m.id)', false],
])('%s: self-contained is %s', (source, answer) => {
  expect(isSelfContained(source)).toBe(answer)
})

test('the second identical wait is told where the first is', () => {
  const waits = new IdenticalWaits()
  expect(waits.enter({}, 'waitForClientMessage', { a: 1 }, at)).toBeUndefined()
  expect(waits.enter({}, 'waitForServerMessage', { a: 1 }, at)).toBeUndefined()
  expect(waits.enter({}, 'waitForClientMessage', { a: 1 }, { ...at, line: 9 })).toBe(at)
})

test('a wait that was not met may be tried again', () => {
  const waits = new IdenticalWaits()
  const ticket = {}
  waits.enter(ticket, 'waitForClientMessage', { a: 1 }, at)
  waits.forget(ticket)
  expect(waits.enter({}, 'waitForClientMessage', { a: 1 }, at)).toBeUndefined()
})
