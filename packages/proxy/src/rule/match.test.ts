import { describe, expect, test } from 'vitest'
import { createMatch } from './match.ts'

describe('a partial object', () => {
  const seen = {
    action: 'ATTACH',
    channel: 'b',
    flags: 3,
    params: { rewind: '1', list: [1, { x: 1, y: 2 }] },
    data: new Uint8Array([1, 2]),
    none: null,
  }
  test.for<[match: object, matches: boolean]>([
    [{}, true],
    [{ action: 'ATTACH' }, true],
    [{ action: 'DETACH' }, false],
    [{ missing: 1 }, false],
    [{ missing: undefined }, true],
    [{ none: null }, true],
    [{ params: { rewind: '1' } }, true],
    [{ params: { rewind: '2' } }, false],
    [{ params: { list: [1, { x: 1 }] } }, true],
    [{ params: { list: [1] } }, false],
    [{ params: { list: { 0: 1 } } }, false],
    [{ action: /^ATT/ }, true],
    [{ flags: /3/ }, false],
    [{ action: expect.any(String), flags: expect.any(Number) }, true],
    [{ action: expect.any(Number) }, false],
    [{ params: expect.objectContaining({ rewind: '1' }) }, true],
    [{ data: Buffer.from([1, 2]) }, true],
    [{ data: Buffer.from([1, 3]) }, false],
    [{ flags: Number.NaN }, false],
  ])('%o', ([match, matches]) => {
    expect(createMatch(match).test(seen, seen)).toBe(matches)
  })

  test('matches nothing but objects', () => {
    for (const value of ['text', 5, null, undefined]) expect(createMatch({ a: 1 }).test(value, value)).toBe(false)
  })

  test('may contain itself', () => {
    const wheel = { spoke: 1, hub: {} }
    wheel.hub = wheel
    const match = createMatch(wheel)
    expect(match.test({ spoke: 2, hub: wheel }, undefined)).toBe(false)
    expect(match.test({ spoke: 1, hub: { spoke: 1, hub: {} } }, undefined)).toBe(false)
  })

  test('a global pattern matches every time', () => {
    const match = createMatch({ a: /x/g })
    expect([match.test({ a: 'x' }, 0), match.test({ a: 'x' }, 0)]).toEqual([true, true])
  })

  test('dates, maps and sets are compared whole', () => {
    expect(createMatch({ at: new Date(5) }).test({ at: new Date(5) }, 0)).toBe(true)
    expect(createMatch({ at: new Date(5) }).test({ at: new Date(6) }, 0)).toBe(false)
    expect(createMatch({ s: new Set([1]) }).test({ s: new Set([1]) }, 0)).toBe(true)
    expect(createMatch({ m: new Map([[1, 2]]) }).test({ m: new Map([[1, 3]]) }, 0)).toBe(false)
  })
})

test('nothing matches anything', () => {
  expect(createMatch().test(undefined, 0)).toBe(true)
  expect(createMatch().text).toBe('any')
})

test('a predicate sees the value and what it belongs to, and its answer counts as true or false', () => {
  const match = createMatch((value: number, subject: string) => subject === 's' && value)
  expect([match.test(1, 's'), match.test(0, 's'), match.test(1, 't')]).toEqual([true, false, false])
})

test('an asynchronous predicate is an error, as it would match everything', () => {
  expect(() => createMatch(async () => false).test(1, 1)).toThrow(/returned a promise/)
})

test('the text is what was written', () => {
  expect(createMatch({ action: 'ATTACH', id: 1n, list: [1, /x/], at: new Date(0), 'odd key': expect.any(String) }).text).toBe(
    '{ action: "ATTACH", id: 1n, list: [1, /x/], at: 1970-01-01T00:00:00.000Z, "odd key": Any<String> }',
  )
  expect(createMatch((m: { a: number }) => m.a === 1).text).toBe('(m) => m.a === 1')
  expect(createMatch('x'.repeat(500)).text).toHaveLength(120)
})

test.for<[match: object | string, value: unknown, words: string | undefined]>([
  [{ action: 'ATTACH', channel: 'a' }, { action: 'ATTACH', channel: 'b' }, 'channel "b", expected "a"'],
  [{ params: { rewind: '1' } }, { params: {} }, 'params.rewind missing, expected "1"'],
  [{ list: [1, 2] }, { list: [1, 3] }, 'list[1] 3, expected 2'],
  [{ list: [1, 2] }, { list: [1] }, 'list [1], expected [1, 2]'],
  [{ id: expect.any(Number) }, { id: 'x' }, 'id "x", expected Any<Number>'],
  ['a', 'b', '"b", expected "a"'],
  [{ a: 1 }, { a: 1 }, undefined],
])('the first difference is told: %o', ([match, value, words]) => {
  expect(createMatch(match).explain?.(value)).toBe(words)
})

test('a literal host can be told, a pattern cannot', () => {
  expect(createMatch({ host: 'a.test', path: '/' }).host).toBe('a.test')
  expect(createMatch({ host: /test/ }).host).toBeUndefined()
})
