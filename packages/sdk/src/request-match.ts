import { describeValue } from '@midwire/proxy'
import type { Match, RequestFacts } from '@midwire/proxy'
import { badInput, callerError, checkKeys } from './bad-input.ts'
import { factsMatch, matchOf, requestKeys } from './match-input.ts'
import type { RequestFactsPredicate, RequestMatch, UrlPattern } from './matching.ts'

export interface RequestMatchOptions {
  /** The rule is asked only once the whole body has come. @default where the match says `body` */
  readonly body?: boolean
}

/** What a match on requests is, beside its test. */
export interface RequestRuleMatch {
  readonly match: Match<RequestFacts, RequestFacts>
  /** It reads the body: it can be asked only once that has come. */
  readonly needsBody: boolean
}

/** A match for rules on requests. @throws MidwireError on an unknown key, or a value that no request has */
export function requestMatch(input: RequestMatch | RequestFactsPredicate | undefined, readsBody: boolean | undefined): RequestRuleMatch {
  if (typeof input === 'function') {
    const needsBody = readsBody ?? mentionsBody(input)
    const match = matchOf<RequestFacts, RequestFacts>((facts: RequestFacts) => input(needsBody ? facts : withoutBody(facts)))
    return { match: { ...match, text: matchOf(input).text }, needsBody }
  }
  const match = contentMatch<RequestFacts>(input, [...requestKeys, 'body'], 'onRequest(match)')
  return { match, needsBody: readsBody ?? input?.body !== undefined }
}

/**
 * A match on facts of requests or responses: what can never be true is told at its line, and patterns and bodies get their own ways of
 * being compared.
 */
export function contentMatch<V>(input: unknown, keys: readonly string[], what: string): Match<V, V> {
  if (typeof input !== 'object' || input === null || 'asymmetricMatch' in input) return factsMatch(input, keys, what)
  checkKeys(input, keys, what)
  const parts = Object.entries(input).map(([key, value]) => part(key, value, what))
  const match = factsMatch<V>(Object.fromEntries(parts), [...keys, textKey], what)
  return {
    ...match,
    text: describeValue(Object.fromEntries(parts.map(([key, value]) => [key === textKey ? 'body' : key, value]))),
    explain: value => match.explain?.(value)?.replace(/^text /, 'body '),
  }
}

function part(key: string, value: unknown, what: string): [string, unknown] {
  switch (key) {
    case 'method':
      return [key, methodPart(value, what)]
    case 'path':
      return [key, pathPart(value, what)]
    case 'url':
      return [key, urlPart(value, what)]
    case 'body':
      return bodyPart(value, what)
    default:
      return [key, value]
  }
}

/** What strings and patterns for a body are compared with. */
export const textKey = 'text'

/** True for a function whose source says `body` or `text`: it wants to be asked with one. */
export function mentionsBody(fn: (...args: never[]) => unknown): boolean {
  return /\b(?:body|text)\b/.test(fn.toString())
}

/** The same for a function that gets an exchange. */
export function mentionsContent(fn: object): boolean {
  return /\b(?:body|text|json)\b/.test(String(fn))
}

/** RFC 9110 §9.1: methods are case-sensitive, and clients write the known ones in upper case. */
function methodPart(method: unknown, what: string): unknown {
  if (typeof method !== 'string') return method
  const upper = method.toUpperCase()
  if (method === upper || !/^(?:get|head|post|put|delete|connect|options|trace)$/i.test(method)) return method
  throw badInput(`${what} { method: "${method}" }: methods are case-sensitive (RFC 9110 §9.1); expected "${upper}"`)
}

function pathPart(path: unknown, what: string): unknown {
  if (isUrlPattern(path)) {
    const { protocol, hostname, port, search } = path
    if ([protocol, hostname, port, search].some(part => part !== '*')) {
      throw badInput(`${what} { path }: the URLPattern says more than a path; give it as url`)
    }
    return described(path, value => typeof value === 'string' && path.test(`http://host${value}`))
  }
  if (typeof path !== 'string') return path
  if (path.includes('?')) throw badInput(`${what} { path: "${path}" }: a path has no query; match that with { query }`)
  if (path !== '*' && !path.startsWith('/')) throw badInput(`${what} { path: "${path}" }: expected a path that begins with /`)
  if (path !== '*') refuseStar(path, `${what} { path: "${path}" }`, `new URLPattern({ pathname: '${path}' })`)
  return path
}

function urlPart(url: unknown, what: string): unknown {
  if (isUrlPattern(url)) return described(url, value => typeof value === 'string' && url.test(value))
  if (typeof url !== 'string') return url
  const at = `${what} { url: "${url}" }`
  refuseStar(url, at, `new URLPattern('${url}')`)
  if (!URL.canParse(url) || !/^https?:/.test(url))
    throw badInput(`${at}: expected a whole http: or https: URL, or a RegExp for a part of it`)
  const { href, hash } = new URL(url)
  if (hash !== '') throw badInput(`${at}: a request says nothing of what stands behind the #`)
  return href === `${url}/` ? href : url
}

/** A star that stands for itself is no more than a mistake: the rule would never act, and an absence always be true. */
function refuseStar(text: string, at: string, pattern: string): void {
  if (text.includes('*')) throw badInput(`${at}: a * in a string stands for itself; expected a RegExp or ${pattern}`)
}

/** Strings and patterns are about the text of the body, all else about its value. */
function bodyPart(body: unknown, what: string): [string, unknown] {
  if (body instanceof Uint8Array) throw badInput(`${what} { body }: expected a JSON value, or a string or RegExp for its text, got bytes`)
  return [typeof body === 'string' || body instanceof RegExp ? textKey : 'body', body]
}

function isUrlPattern(value: unknown): value is UrlPattern {
  return typeof value === 'object' && value !== null && 'pathname' in value && 'test' in value && typeof value.test === 'function'
}

/** Something that compares in its own way, and reads like what the test wrote. */
function described({ pathname }: UrlPattern, asymmetricMatch: (value: unknown) => boolean): object {
  return { asymmetricMatch, toAsymmetricMatcher: () => `URLPattern ${JSON.stringify(pathname)}` }
}

/** What a match sees that is asked before the body has come. */
function withoutBody(facts: RequestFacts): RequestFacts {
  return new Proxy(facts, {
    get(target, key) {
      if (key !== 'body' && key !== textKey) return Reflect.get(target, key)
      throw callerError(
        'MIDWIRE_BAD_INPUT',
        'the match of onRequest() reads the body out of sight; say onRequest(match, { body: true }), and it is asked once the body has come',
      )
    },
  })
}

/** @throws MidwireError on an unknown option */
export function checkRequestOptions(options: RequestMatchOptions | undefined): void {
  checkKeys(options, ['body'], 'onRequest(match, options)')
  if (options?.body !== undefined && typeof options.body !== 'boolean') {
    throw badInput('onRequest(match, { body }): expected true or false')
  }
}
