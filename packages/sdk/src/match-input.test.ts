import type { HandshakeFacts } from '@midwire/proxy'
import { describe, expect, test } from 'vitest'
import { handshakeMatch, targetMatch } from './match-input.ts'

const facts: HandshakeFacts = {
  host: 'main.example.com',
  port: 443,
  url: 'wss://main.example.com/v1?v=6',
  path: '/v1',
  query: { v: '6' },
  headers: { origin: 'https://app.example.com' },
  protocol: ['graphql-transport-ws', 'graphql-ws'],
  attempt: 2,
}
const sees = (match: Parameters<typeof handshakeMatch>[0]): boolean => handshakeMatch(match).test(facts, facts)

describe('a match on a handshake', () => {
  test('is a subset of what is known of it', () => {
    expect(sees(undefined)).toBe(true)
    expect(sees({ host: 'main.example.com', path: /^\/v/, query: { v: '6' }, attempt: 2 })).toBe(true)
    expect(sees({ query: { v: '7' } })).toBe(false)
    expect(sees(handshake => handshake.port === 443)).toBe(true)
  })

  test('takes header names in any case', () => {
    expect(sees({ headers: { Origin: /app/ } })).toBe(true)
    expect(sees({ headers: { Origin: 'https://other' } })).toBe(false)
  })

  test('takes any of the subprotocols that are offered', () => {
    expect(sees({ protocol: 'graphql-ws' })).toBe(true)
    expect(sees({ protocol: /^graphql/ })).toBe(true)
    expect(sees({ protocol: 'mqtt' })).toBe(false)
    expect(handshakeMatch({ protocol: 'mqtt' }).text).toBe('{ protocol: "mqtt" }')
  })

  test('refuses an unknown key', () => {
    expect(() => sees({ hots: 'a' } as object)).toThrow('onConnect(match): unknown key "hots"; known are "host", "port", "url"')
  })
})

describe('a match on a TCP connect', () => {
  const target = { host: 'main.example.com', port: 443 }

  test('sees host and port', () => {
    expect(targetMatch({ host: /^main/, port: 443 }, 'refuse()').test(target, target)).toBe(true)
    expect(targetMatch({ port: 80 }, 'refuse()').test(target, target)).toBe(false)
    expect(targetMatch(({ host }) => host.startsWith('main'), 'refuse()').test(target, target)).toBe(true)
  })

  test('refuses a key that is known only later', () => {
    expect(() => targetMatch({ host: 'a', path: '/v1' }, 'refuse()')).toThrow(
      'onConnect({ path }).refuse() decides before a byte is read, when only host and port are known',
    )
  })

  test('fails a predicate that asks for what is known only later', () => {
    const match = targetMatch(({ path }) => path === '/v1', 'failDns()')
    expect(() => match.test(target, target)).toThrow('the match of onConnect().failDns() asks for "path", but only host and port are known')
    expect(match.text).toContain('({ path }) => path ===')
  })
})
