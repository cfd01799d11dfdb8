import { isDate } from 'node:util/types'
import { isDeepStrictEqual } from 'node:util'
import { MidwireError } from '../errors.ts'
import { describeValue } from './describe-value.ts'
import type { Match } from './rule.ts'

/** Something with vitest's and jest's protocol for `expect.any(String)` and its like. */
export interface AsymmetricMatcher {
  asymmetricMatch(actual: unknown): boolean
}

/** What a test writes where a match is expected: a partial object or a literal, a predicate, or nothing. */
export type MatchInput<V = unknown, M = unknown> =
  | ((value: V, subject: M) => unknown)
  | object
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined

/**
 * Builds a match. Objects are deep subsets, arrays match element by element, a RegExp matches strings, asymmetric matchers
 * decide for themselves, and a function is a predicate.
 *
 * @throws MidwireError MIDWIRE_BAD_INPUT if the match can never be true
 */
export function createMatch<V = unknown, M = unknown>(input?: MatchInput<V, M>): Match<V, M> {
  if (input === undefined) return any
  if (typeof input === 'function') {
    const predicate = input as (value: V, subject: M) => unknown
    return Object.freeze({ test: (value: V, subject: M) => isTrue(predicate(value, subject)), text: predicateText(predicate) })
  }
  const host = literalHost(input)
  return Object.freeze({
    test: subsetTest(input),
    text: describeValue(input),
    explain: (value: V) => firstDifference(value, input, ''),
    ...(host === undefined ? {} : { host }),
  })
}

const any: Match<unknown, unknown> = Object.freeze({ test: () => true, text: 'any' })

/** An `async` predicate would be truthy for every value: better to say so than to match everything. */
function isTrue(answer: unknown): boolean {
  if (answer instanceof Promise) {
    throw new MidwireError('MIDWIRE_BAD_INPUT', 'a match must answer at once: the predicate returned a promise, expected true or false')
  }
  return Boolean(answer)
}

function predicateText(predicate: (...args: never[]) => unknown): string {
  const source = predicate.toString().replace(/\s+/g, ' ')
  return source.length > 80 ? `${source.slice(0, 79)}…` : source
}

function literalHost(input: unknown): string | undefined {
  if (!isRecord(input)) return undefined
  return typeof input['host'] === 'string' ? input['host'] : undefined
}

/** True if everything in `expected` is in `actual`. */
export function isSubset(actual: unknown, expected: unknown): boolean {
  return subsetTest(expected)(actual)
}

type Test = (actual: unknown) => boolean

/** `isSubset` for one `expected`, which is looked at once: a rule is asked about every message. */
function subsetTest(expected: unknown): Test {
  if (typeof expected !== 'object' || expected === null) return actual => Object.is(actual, expected)
  if (isAsymmetric(expected)) return actual => Object.is(actual, expected) || expected.asymmetricMatch(actual)
  if (expected instanceof RegExp) {
    return actual => Object.is(actual, expected) || (typeof actual === 'string' && matchesPattern(expected, actual))
  }
  if (Array.isArray(expected)) {
    const items = expected.map(subsetTest)
    return actual => Array.isArray(actual) && actual.length === items.length && items.every((test, i) => test(actual[i]))
  }
  if (!isRecord(expected)) return actual => typeof actual === 'object' && actual !== null && isSameLeaf(actual, expected)
  return recordTest(expected)
}

/** Literals first: they cost least, and tell most messages apart. */
function recordTest(expected: Record<string, unknown>): Test {
  const isLiteral = (key: string): boolean => typeof expected[key] !== 'object' || expected[key] === null
  const keys = Object.keys(expected)
  const literals = keys.filter(isLiteral)
  const wanted = literals.map(key => expected[key])
  const others = keys.filter(key => !isLiteral(key)).map(key => ({ key, test: later(expected[key]) }))
  return actual => {
    if (typeof actual !== 'object' || actual === null || Array.isArray(actual)) return false
    const record = actual as Record<string, unknown>
    for (let n = 0; n < literals.length; n++) if (!Object.is(record[literals[n]!], wanted[n])) return false
    for (const { key, test } of others) if (!test(record[key])) return false
    return true
  }
}

/** Made when it is first asked for: an object may contain itself. */
function later(expected: unknown): Test {
  let test: Test | undefined
  return actual => (test ??= subsetTest(expected))(actual)
}

/** The first place where `actual` is not what was expected: `channel "b", expected "a"`. */
function firstDifference(actual: unknown, expected: unknown, path: string): string | undefined {
  if (isSubset(actual, expected)) return undefined
  if (isRecord(expected) && !isAsymmetric(expected) && typeof actual === 'object' && actual !== null && !Array.isArray(actual)) {
    for (const key of Object.keys(expected)) {
      const found = firstDifference(Reflect.get(actual, key), expected[key], path === '' ? key : `${path}.${key}`)
      if (found !== undefined) return found
    }
  }
  if (Array.isArray(expected) && Array.isArray(actual) && expected.length === actual.length) {
    for (const [i, item] of expected.entries()) {
      const found = firstDifference(actual[i], item, `${path}[${i}]`)
      if (found !== undefined) return found
    }
  }
  const seen = actual === undefined ? 'missing' : describeValue(actual)
  return `${path === '' ? '' : `${path} `}${seen}, expected ${describeValue(expected)}`
}

/** A global or sticky pattern keeps a position between calls; a match must not depend on what was asked before. */
function matchesPattern(pattern: RegExp, text: string): boolean {
  pattern.lastIndex = 0
  const found = pattern.test(text)
  pattern.lastIndex = 0
  return found
}

function isSameLeaf(actual: object, expected: object): boolean {
  if (ArrayBuffer.isView(actual) && ArrayBuffer.isView(expected)) return Buffer.compare(bytesOf(actual), bytesOf(expected)) === 0
  return isDeepStrictEqual(actual, expected)
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
}

/** Objects whose keys are compared one by one; Date, Map, Set, bytes and the like are compared whole. */
function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  if (ArrayBuffer.isView(value) || isDate(value) || value instanceof Map || value instanceof Set || value instanceof RegExp) return false
  return true
}

function isAsymmetric(value: object): value is AsymmetricMatcher {
  return 'asymmetricMatch' in value && typeof value.asymmetricMatch === 'function'
}
