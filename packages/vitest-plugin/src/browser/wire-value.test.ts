import { expect, test } from 'vitest'
import { decode, encode, fromWireError, toWireError } from './wire-value.ts'
import type { WireCoder, WireValue } from './wire-value.ts'

const coder: WireCoder = {
  encode: value => (typeof value === 'function' ? { $: 'function' } : undefined),
  decode: tag => `a ${tag}`,
}

function through(value: unknown): unknown {
  return decode(JSON.parse(JSON.stringify(encode(value, coder))) as WireValue, coder)
}

test.for<unknown>([
  'text',
  0,
  -0,
  Number.NaN,
  Number.NEGATIVE_INFINITY,
  true,
  null,
  undefined,
  12n ** 30n,
  [1, undefined, [null]],
  { a: { b: undefined } },
  { $: 'number', text: '1' },
  new Date(1e12),
  /a\/b/giu,
  new Map([[1, { a: new Set([2n]) }]]),
  new Uint8Array(100_000).map((_, n) => n),
])('%o arrives as it was', value => {
  expect(through(value)).toStrictEqual(value)
})

test('what has more to it than fields is the coder’s matter, or an error', () => {
  expect(through([() => {}])).toEqual(['a function'])
  expect(() => through(new URL('http://host/'))).toThrow('URL cannot leave its realm')
  expect(() => through(Symbol('s'))).toThrow('a symbol cannot leave its realm')
})

test('an error keeps its name, text and code, and the frames that its receiver can read', () => {
  const there = Object.assign(new TypeError('no'), { code: 'E_NO', stack: 'TypeError: no\n    at f (http://localhost:1/a.test.ts:1:2)' })
  const here = fromWireError(toWireError(there), '\n    at here (http://localhost:1/b.test.ts:3:4)')
  expect(here).toMatchObject({ name: 'TypeError', message: 'no', code: 'E_NO', stack: there.stack })
  const own = fromWireError({ name: 'Error', message: 'no', stack: 'Error: no\n    at f (/srv/engine.ts:1:2)' }, '\n    at here (x.ts:3:4)')
  expect(own.stack).toBe('Error: no\n    at here (x.ts:3:4)')
  expect(fromWireError(toWireError(new AggregateError([new Error('one'), 'two'], 'both')))).toMatchObject({
    errors: [{ message: 'one' }, { message: 'two was thrown, which is no Error' }],
  })
})
