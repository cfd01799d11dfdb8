import type { RequestFacts } from '@midwire/proxy'
import { describe, expect, test } from 'vitest'
import { requestMatch } from './request-match.ts'
import type { RequestFactsPredicate, RequestMatch } from './matching.ts'

const facts: RequestFacts = {
  method: 'POST',
  host: 'api.example.com',
  port: 443,
  url: 'https://api.example.com/keys/a%20b?v=6&tag=a&tag=b',
  path: '/keys/a%20b',
  query: { v: '6', tag: ['a', 'b'] },
  headers: { 'content-type': 'application/json', 'x-id': '1' },
  body: { name: 'key', capability: { all: true }, scopes: ['read'] },
  text: '{"name":"key", "capability":{"all":true}, "scopes":["read"]}',
}

function matches(input: RequestMatch | RequestFactsPredicate | undefined, of: Partial<RequestFacts> = {}): boolean {
  const subject = { ...facts, ...of }
  return requestMatch(input, undefined).match.test(subject, subject)
}

describe('a match on requests', () => {
  test('compares every part of a request', () => {
    expect(matches(undefined)).toBe(true)
    expect(matches({ method: 'POST', host: 'api.example.com', port: 443, path: '/keys/a%20b' })).toBe(true)
    expect(matches({ url: facts.url, query: { tag: ['a', /b/] }, headers: { 'X-Id': '1' } })).toBe(true)
    expect(matches({ method: /^P/, url: /\?v=6/, path: expect.stringContaining('keys') })).toBe(true)
    expect(matches({ method: 'GET' })).toBe(false)
    expect(matches({ query: { v: '5' } })).toBe(false)
    expect(matches({ path: '/keys' })).toBe(false)
    expect(matches({ url: 'https://api.example.com' }, { url: 'https://api.example.com/' })).toBe(true)
  })

  test('takes a URLPattern for a path or a URL', { skip: !('URLPattern' in globalThis) }, () => {
    expect(matches({ path: new URLPattern({ pathname: '/keys/:id' }) })).toBe(true)
    expect(matches({ path: new URLPattern({ pathname: '/tokens/:id' }) })).toBe(false)
    expect(matches({ url: new URLPattern('https://*.example.com/keys/*') })).toBe(true)
    expect(matches({ url: new URLPattern('http://*.example.com/keys/*') })).toBe(false)
    expect(requestMatch({ path: new URLPattern({ pathname: '/keys/:id' }) }, undefined).match.text).toBe('{ path: URLPattern "/keys/:id" }')
    expect(() => matches({ path: new URLPattern('https://example.com/keys') })).toThrow('give it as url')
  })

  test('compares a body as JSON, and its text with a string or a pattern', () => {
    expect(matches({ body: { name: 'key', capability: { all: true } } })).toBe(true)
    expect(matches({ body: { scopes: ['write'] } })).toBe(false)
    expect(matches({ body: /"name":"key"/ })).toBe(true)
    expect(matches({ body: 'a=1&b=2' }, { text: 'a=1&b=2' })).toBe(true)
    expect(matches({ body: 'a=1' }, { text: 'a=1&b=2' })).toBe(false)
    expect(matches({ body: /b=\d/ }, { text: 'a=1&b=2' })).toBe(true)
    expect(matches({ body: '7' }, { body: 7, text: '7' })).toBe(true)
    expect(matches({ body: expect.objectContaining({ name: 'key' }) })).toBe(true)
  })

  test('asks for the body where it reads it, and only there', () => {
    const needsBody = (input: RequestMatch | RequestFactsPredicate | undefined, told?: boolean): boolean =>
      requestMatch(input, told).needsBody
    expect(needsBody(undefined)).toBe(false)
    expect(needsBody({ method: 'POST' })).toBe(false)
    expect(needsBody({ body: { a: 1 } })).toBe(true)
    expect(needsBody(({ method }) => method === 'POST')).toBe(false)
    expect(needsBody(({ body }) => body === 'x')).toBe(true)
    expect(needsBody(request => request.body === 'x')).toBe(true)
    expect(needsBody(({ method }) => method === 'POST', true)).toBe(true)
  })

  test('that reads the body out of sight is told how to say so', () => {
    const key: string = ['bo', 'dy'].join('')
    const isNamed: RequestFactsPredicate = request => Reflect.get(request, key) !== undefined
    expect(() => matches(isNamed)).toThrow('say onRequest(match, { body: true })')
    expect(requestMatch(isNamed, true).match.test(facts, facts)).toBe(true)
  })

  test.each([
    [{ pth: '/' }, 'unknown key "pth"'],
    [{ method: 'post' }, 'methods are case-sensitive (RFC 9110 §9.1); expected "POST"'],
    [{ path: 'keys' }, 'expected a path that begins with /'],
    [{ path: '/keys?v=6' }, 'a path has no query; match that with { query }'],
    [{ path: '/keys/*' }, "a * in a string stands for itself; expected a RegExp or new URLPattern({ pathname: '/keys/*' })"],
    [{ url: '/keys' }, 'expected a whole http: or https: URL'],
    [{ url: 'https://a.example.com/*' }, 'a * in a string stands for itself'],
    [{ url: 'https://a.example.com/#top' }, 'a request says nothing of what stands behind the #'],
    [{ body: new Uint8Array(1) }, 'expected a JSON value, or a string or RegExp for its text, got bytes'],
  ])('that can never be true is refused: %j', (input, text) => {
    expect(() => matches(input as RequestMatch)).toThrow(text)
  })

  test('may name a method that is a lower-case one of its own', () => {
    expect(matches({ method: 'patch' }, { method: 'patch' })).toBe(true)
  })
})
