import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { text } from './codec/text.ts'
import type { ConnectRuleBuilder } from './connect-rule-builder.ts'
import { host, startTestBed, url } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'
import { TestClient } from './testing/scripted-server.ts'

// How clients see each of these ends is compared with real ones in the engine's own tests.

let bed: TestBed<string>
beforeAll(async () => {
  bed = await startTestBed({ codec: text() })
})
afterAll(() => bed[Symbol.asyncDispose]())

describe('each word for an end', () => {
  test.each<[name: string, end: (rule: ConnectRuleBuilder<string>) => unknown, error: object]>([
    ['refuse()', rule => rule.refuse(), { code: 'ECONNREFUSED', message: 'connect ECONNREFUSED 192.0.2.1:443', address: '192.0.2.1' }],
    ['refuse({ addresses })', rule => rule.refuse({ addresses: ['192.0.2.7'] }), { message: 'connect ECONNREFUSED 192.0.2.7:443' }],
    [
      'refuse({ addresses }) of several',
      rule => rule.refuse({ addresses: ['192.0.2.7', '2001:db8::7'] }),
      { name: 'AggregateError', code: 'ECONNREFUSED', errors: [{ address: '192.0.2.7' }, { address: '2001:db8::7' }] },
    ],
    ['unreachable()', rule => rule.unreachable(), { code: 'EHOSTUNREACH', syscall: 'connect' }],
    ['unreachable({ code })', rule => rule.unreachable({ code: 'ENETUNREACH' }), { code: 'ENETUNREACH' }],
    ['failDns()', rule => rule.failDns(), { code: 'ENOTFOUND', message: `getaddrinfo ENOTFOUND ${host}` }],
    ['failDns({ code })', rule => rule.failDns({ code: 'EAI_AGAIN' }), { code: 'EAI_AGAIN', hostname: host }],
    ['hangUp()', rule => rule.hangUp(), { code: 'ECONNRESET', message: /before secure TLS connection was established/ }],
    ["hangUp('rst')", rule => rule.hangUp('rst'), { code: 'ECONNRESET' }],
    ['failTls()', rule => rule.failTls(), { message: /alert handshake failure/ }],
    ['failTls(alert)', rule => rule.failTls('unrecognized_name'), { message: /unrecognized name/ }],
    ['presentCertificate(kind)', rule => rule.presentCertificate('notYetValid'), { code: 'CERT_NOT_YET_VALID' }],
    ['end()', rule => rule.end(), { message: 'socket hang up' }],
  ])('%s', async (_name, end, error) => {
    const { errors } = await bed.run('an end', async () => {
      const handle = end(bed.proxy.onConnect({ host }).once())
      const matching = Object.fromEntries(
        Object.entries(error).map(([key, value]) => [key, value instanceof RegExp ? expect.stringMatching(value) : value]),
      )
      await expect(new TestClient(url).opened).rejects.toMatchObject(matching)
      expect(handle).toMatchObject({ hits: 1 })
      // Once means once: the next attempt gets through.
      await TestClient.open(url)
    })
    expect(errors).toEqual([])
  })
})

test('connections that were opened before are ended without a close-notify, where that is asked for', async () => {
  await bed.run('an end', async () => {
    const client = await TestClient.open(url)
    bed.proxy.connection.terminate({ closeNotify: false })
    expect(await client.closed).toEqual({ code: 1006, reason: '' })
  })
})

describe('what cannot be meant is an error at its line', () => {
  test.each<[call: (rule: ConnectRuleBuilder<string>) => unknown, text: string]>([
    [rule => rule.refuse({ addresses: ['nowhere'] }), 'refuse(options): expected addresses as a list of IP addresses, got ["nowhere"]'],
    [rule => rule.refuse({ addresses: [] }), 'expected addresses as a list of IP addresses, got []'],
    [rule => rule.refuse({ code: 'ECONNRESET' } as never), 'refuse(options): unknown key "code"'],
    [rule => rule.unreachable({ code: 'ECONNREFUSED' as never }), "expected 'EHOSTUNREACH' or 'ENETUNREACH', got ECONNREFUSED"],
    [rule => rule.failDns({ code: 'NXDOMAIN' as never }), "expected 'ENOTFOUND' or 'EAI_AGAIN', got NXDOMAIN"],
    [rule => rule.hangUp('FIN' as never), "hangUp(how): expected 'fin' or 'rst', got FIN"],
    [rule => rule.failTls('close_notify' as never), "failTls(alert): expected 'unexpected_message' or"],
    [rule => rule.presentCertificate('revoked' as never), "presentCertificate(certificate): expected 'expired' or"],
    [rule => rule.presentCertificate(undefined as never), "expected one of 'expired', 'notYetValid'"],
  ])('%s', async (call, message) => {
    await bed.run('bad', async () => {
      const rule = bed.proxy.onConnect({ host })
      expect(() => call(rule)).toThrow(message)
      rule.optional().refuse()
    })
  })

  test('of an end before a byte is read, only host and port can be asked', async () => {
    await bed.run('bad', async () => {
      const rule = bed.proxy.onConnect({ path: '/v1' })
      expect(() => rule.failTls()).toThrow('onConnect({ path }).failTls() decides before a byte is read')
      rule.optional().end()
    })
  })
})
