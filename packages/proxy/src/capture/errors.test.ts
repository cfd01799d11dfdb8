import dns from 'node:dns'
import { createServer } from 'node:net'
import type { LookupFunction } from 'node:net'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { clients } from './testing/clients.ts'
import type { Client, ClientOptions } from './testing/clients.ts'
import { describeError } from './testing/describe-error.ts'
import { Disposables } from './testing/disposables.ts'
import { Relay } from './testing/relay.ts'
import { SaturatedServer } from './testing/saturated-server.ts'
import { deadPort, greetingServer, httpsServer, lookupOf, realAuthority, TestServer } from './testing/servers.ts'

/** A name that does not resolve, whoever asks: no question leaves this process. */
const noSuchHost = ((host: string, _options: object, answer: (error: Error) => void) => {
  const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), {
    errno: -3008,
    code: 'ENOTFOUND',
    syscall: 'getaddrinfo',
    hostname: host,
  })
  process.nextTick(() => answer(error))
}) as LookupFunction
const silence = (() => {}) as LookupFunction

/** Ports of what listens, or does not. */
const at = { dead: 0, named: 0, greeting: 0, closing: 0, saturated: 0 }

interface Failure {
  readonly name: string
  readonly origin: () => string
  readonly options?: ClientOptions
  /** What a direct connection fails with, somewhere in the chain of causes. */
  readonly seen: RegExp
}

const here = lookupOf('127.0.0.1')
const ca = realAuthority.certificate

const failures: readonly Failure[] = [
  { name: 'a refused connection', origin: () => `http://127.0.0.1:${at.dead}`, seen: /ECONNREFUSED/ },
  { name: 'a refused connection over IPv6', origin: () => `http://[::1]:${at.dead}`, seen: /ECONNREFUSED/ },
  { name: 'a refused connection with TLS', origin: () => `https://127.0.0.1:${at.dead}`, seen: /ECONNREFUSED/ },
  { name: 'a name that does not resolve', origin: () => `http://nowhere.invalid:${at.dead}`, seen: /ENOTFOUND/ },
  { name: 'a name that does not resolve, with TLS', origin: () => `https://nowhere.invalid:${at.dead}`, seen: /ENOTFOUND/ },
  {
    name: 'a name that its own lookup does not know',
    origin: () => `http://gone.test:${at.dead}`,
    options: { lookup: noSuchHost },
    seen: /ENOTFOUND/,
  },
  {
    name: 'several addresses that all refuse',
    origin: () => `http://all.test:${at.dead}`,
    options: { lookup: lookupOf('127.0.0.1', '::1', '127.0.0.2'), autoSelectFamilyAttemptTimeout: 60_000 },
    seen: /"errors"/,
  },
  {
    name: 'several addresses that all refuse, with TLS',
    origin: () => `https://all.test:${at.dead}`,
    options: { lookup: lookupOf('127.0.0.1', '::1'), ca, autoSelectFamilyAttemptTimeout: 60_000 },
    seen: /"errors"/,
  },
  {
    name: 'several addresses, of which it tries only one',
    origin: () => `http://one.test:${at.dead}`,
    options: { lookup: lookupOf('127.0.0.1', '::1'), autoSelectFamily: false },
    seen: /ECONNREFUSED/,
  },
  {
    name: 'an address that never answers, then one that refuses',
    origin: () => `http://two.test:${at.saturated}`,
    options: { lookup: lookupOf('127.0.0.1', '::1') },
    seen: /ETIMEDOUT/,
  },
  {
    name: 'a lookup that finds no address',
    origin: () => `http://odd.test:${at.dead}`,
    options: { lookup: lookupOf('nonsense') },
    seen: /ERR_INVALID_IP_ADDRESS/,
  },
  {
    name: 'a lookup that never answers',
    origin: () => `http://quiet.test:${at.dead}`,
    options: { lookup: silence, timeout: 100 },
    seen: /time/i,
  },
  { name: 'a server that never answers', origin: () => `http://127.0.0.1:${at.saturated}`, options: { timeout: 100 }, seen: /time/i },
  {
    name: 'a server that never answers, with TLS',
    origin: () => `https://127.0.0.1:${at.saturated}`,
    options: { timeout: 100, ca },
    seen: /time/i,
  },
  {
    name: 'a certificate that is not trusted',
    origin: () => `https://named.test:${at.named}`,
    options: { lookup: here },
    seen: /UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
  },
  {
    name: 'a certificate for another host',
    origin: () => `https://other.test:${at.named}`,
    options: { lookup: here, ca },
    seen: /ERR_TLS_CERT_ALTNAME_INVALID/,
  },
  {
    name: 'a server that does not speak TLS',
    origin: () => `https://named.test:${at.greeting}`,
    options: { lookup: here, ca },
    seen: /ERR_SSL_|EPROTO/,
  },
  {
    name: 'a server that closes instead of shaking hands',
    origin: () => `https://named.test:${at.closing}`,
    options: { lookup: here, ca },
    seen: /ECONNRESET/,
  },
]

async function failureOf(client: Client, { origin, options }: Failure): Promise<unknown> {
  const outcome = await client.ask(origin(), options).then(
    answer => ({ answer }),
    (error: unknown) => ({ error }),
  )
  return 'error' in outcome ? describeError(outcome.error) : outcome
}

const concerns = (client: Client, { options }: Failure): boolean => client.takesOptions || options === undefined
const stack = new Disposables()
const defaults = getCACertificates('default')
const direct = new Map<string, unknown>()

beforeAll(async () => {
  setDefaultCACertificates([])
  const { lookup: real } = dns
  const lookup = vi
    .spyOn(dns, 'lookup')
    .mockImplementation(((host: string, ...rest: [object, never]) =>
      host.endsWith('.invalid') ? noSuchHost(host, ...rest) : real(host, ...rest)) as never)
  stack.defer(() => lookup.mockRestore())
  at.dead = await deadPort()
  at.named = stack.use(await httpsServer('named.test')).port
  at.greeting = stack.use(await greetingServer()).port
  at.closing = stack.use(await TestServer.listen(createServer(socket => socket.end()))).port
  at.saturated = stack.use(await SaturatedServer.listen()).port
  await Promise.all(
    clients.flatMap(client =>
      failures
        .filter(failure => concerns(client, failure))
        .map(async failure => direct.set(`${client.name}: ${failure.name}`, await failureOf(client, failure))),
    ),
  )
  stack.use(await Relay.start())
})
afterAll(async () => {
  await stack.disposeAsync()
  setDefaultCACertificates(defaults)
})

// Together, since many of them wait for a client to lose patience.
describe.each(clients)('$name fails as without us on', { concurrent: true }, client => {
  test.each(failures.filter(failure => concerns(client, failure)))('$name', async failure => {
    const expected = direct.get(`${client.name}: ${failure.name}`)
    // Browsers' WebSockets say nothing of why.
    if (!/^(WebSocket|undici's)/.test(client.name)) expect(JSON.stringify(expected)).toMatch(failure.seen)
    expect(await failureOf(client, failure)).toEqual(expected)
  })
})
