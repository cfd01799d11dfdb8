import { describe, expect, test } from 'vitest'
import { acceptKey, parseProtocols, rewriteAnswer, rewriteOffer } from './handshake.ts'

test('RFC 6455 §1.3: the example of an accept key', () => {
  expect(acceptKey('dGhlIHNhbXBsZSBub25jZQ==')).toBe('s3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

test('subprotocols are read in order', () => {
  expect(parseProtocols(' graphql-ws,mqtt , ')).toEqual(['graphql-ws', 'mqtt'])
  expect(parseProtocols(undefined)).toEqual([])
})

describe('the offer to upstream', () => {
  test.for<[name: string, offered: string | undefined, sent: string | undefined]>([
    ['nothing stays nothing', undefined, undefined],
    [
      'ws and undici',
      'permessage-deflate; client_max_window_bits',
      'permessage-deflate; client_max_window_bits; server_no_context_takeover; client_no_context_takeover',
    ],
    [
      'what is asked already is not repeated',
      'permessage-deflate; client_no_context_takeover',
      'permessage-deflate; client_no_context_takeover; server_no_context_takeover',
    ],
    [
      'every alternative',
      'permessage-deflate; server_max_window_bits="10", PerMessage-Deflate',
      'permessage-deflate; server_max_window_bits=10; server_no_context_takeover; client_no_context_takeover, permessage-deflate; server_no_context_takeover; client_no_context_takeover',
    ],
    ['other extensions are left out', 'x-webkit-deflate-frame', undefined],
  ])('%s', ([, offered, sent]) => {
    expect(rewriteOffer(offered).header).toBe(sent)
  })

  test('what is left out is said', () => {
    expect(rewriteOffer('bbf-usp-protocol; a="b, c", permessage-deflate').notes).toEqual([
      'extension bbf-usp-protocol not offered upstream: only permessage-deflate can be relayed',
    ])
  })
})

describe('the answer to the client (T44)', () => {
  const offer = rewriteOffer('permessage-deflate; client_max_window_bits')

  test('no extension stays none', () => {
    expect(rewriteAnswer(undefined, offer)).toEqual({ header: undefined, agreement: { deflate: false }, problem: undefined })
  })

  test('both limits are told to the client', () => {
    expect(rewriteAnswer('permessage-deflate; server_no_context_takeover', offer)).toEqual({
      header: 'permessage-deflate; server_no_context_takeover; client_no_context_takeover',
      agreement: { deflate: true },
      problem: undefined,
    })
  })

  test('window sizes are kept', () => {
    expect(
      rewriteAnswer('permessage-deflate; server_no_context_takeover; client_max_window_bits=10; server_max_window_bits=12', offer),
    ).toMatchObject({
      header:
        'permessage-deflate; server_no_context_takeover; client_max_window_bits=10; server_max_window_bits=12; client_no_context_takeover',
      agreement: { deflate: true, clientWindowBits: 10, serverWindowBits: 12 },
    })
  })

  test.for<[answer: string, problem: RegExp]>([
    ['permessage-deflate', /without server_no_context_takeover.*RFC 7692 §7\.1\.1\.1/],
    ['permessage-deflate; server_no_context_takeover, permessage-deflate', /2 times, expected once/],
    ['x-other', /x-other, which was not offered/],
  ])('%s is a problem for the caller', ([answer, problem]) => {
    expect(rewriteAnswer(answer, offer)).toMatchObject({ problem: expect.stringMatching(problem), agreement: { deflate: false } })
  })

  test('an extension that the client did not offer is a problem', () => {
    expect(rewriteAnswer('permessage-deflate; server_no_context_takeover', rewriteOffer(undefined)).problem).toMatch(/not offered/)
  })
})
