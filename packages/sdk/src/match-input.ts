import { createMatch, describeValue, isSubset } from '@midwire/proxy'
import type { ConnectTarget, HandshakeFacts, Match } from '@midwire/proxy'
import { badInput, callerError, checkKeys } from './bad-input.ts'
import type { ConnectMatch, ConnectPredicate } from './matching.ts'

/** A match, its errors at the caller's line. */
export function matchOf<V, M>(input: unknown): Match<V, M> {
  try {
    return createMatch<V, M>(input as Parameters<typeof createMatch<V, M>>[0])
  } catch (error) {
    throw callerError('MIDWIRE_BAD_INPUT', error instanceof Error ? error.message : String(error), error)
  }
}

/** A match on facts: its keys are checked, and header names may be in any case. */
export function factsMatch<V>(input: unknown, keys: readonly string[], what: string): Match<V, V> {
  if (typeof input === 'function') return matchOf(input)
  checkKeys(input, keys, what)
  return matchOf(withLowerCaseHeaders(input))
}

export const connectKeys: readonly string[] = ['host', 'port', 'url', 'path', 'query', 'headers', 'protocol', 'attempt']
export const connectionKeys: readonly string[] = [...connectKeys, 'transport']
export const requestKeys: readonly string[] = ['method', 'host', 'port', 'url', 'path', 'query', 'headers']
const targetKeys = ['host', 'port']

/** A match for the handshake phase. */
export function handshakeMatch(
  input: ConnectMatch | ConnectPredicate | undefined,
  what: string = 'onConnect(match)',
): Match<HandshakeFacts, HandshakeFacts> {
  if (typeof input === 'object' && input !== null && input.protocol !== undefined) {
    return factsMatch({ ...input, protocol: includes(input.protocol) }, connectKeys, what)
  }
  return factsMatch(input, connectKeys, what)
}

/** True where both are; it reads like `b`. @throws MidwireError if they name different hosts */
export function both<V, M>(a: Match<V, M>, b: Match<V, M>): Match<V, M> {
  if (a.host !== undefined && b.host !== undefined && a.host !== b.host) {
    throw badInput(`a match for host "${b.host}" within one for host "${a.host}" can never be true`)
  }
  const host = a.host ?? b.host
  return {
    test: (value, subject) => a.test(value, subject) && b.test(value, subject),
    text: b.text,
    explain: value => a.explain?.(value) ?? b.explain?.(value),
    ...(host === undefined ? {} : { host }),
  }
}

/** A match for the TCP phase, where no byte has been read. @throws MidwireError on any key but `host` and `port` */
export function targetMatch(
  input: ConnectMatch | ConnectPredicate | undefined,
  verb: string,
  start: string = 'onConnect',
): Match<ConnectTarget, ConnectTarget> {
  const call = (key: string): string => (start === 'onConnect' ? `onConnect(${key}).${verb}` : `${start}(${key}).onConnect().${verb}`)
  if (typeof input === 'function') {
    const onTarget = (target: ConnectTarget): boolean => input(knownSoFar(target, call('')))
    return { ...matchOf(onTarget), text: matchOf(input).text }
  }
  for (const key of Object.keys(input ?? {})) {
    if (!targetKeys.includes(key)) {
      throw callerError(
        'MIDWIRE_BAD_INPUT',
        `${call(`{ ${key} }`)} decides before a byte is read, when only host and port are known; ` +
          `match on those, or use respondWith(), hold() or redirect(), which see the handshake`,
      )
    }
  }
  return matchOf(input)
}

function knownSoFar(target: ConnectTarget, call: string): HandshakeFacts {
  const unknown = (key: string): never => {
    throw callerError('MIDWIRE_BAD_INPUT', `the match of ${call} asks for "${key}", but only host and port are known before a byte is read`)
  }
  return new Proxy(target as HandshakeFacts, {
    get: (facts, key) => (typeof key === 'string' && !targetKeys.includes(key) ? unknown(key) : Reflect.get(facts, key)),
  })
}

function includes(protocol: unknown): object {
  return {
    asymmetricMatch: (offered: unknown) => Array.isArray(offered) && offered.some(one => isSubset(one, protocol)),
    toAsymmetricMatcher: () => describeValue(protocol),
  }
}

function withLowerCaseHeaders(input: unknown): unknown {
  if (typeof input !== 'object' || input === null || !('headers' in input)) return input
  const { headers } = input
  if (typeof headers !== 'object' || headers === null || 'asymmetricMatch' in headers) return input
  return { ...input, headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])) }
}
