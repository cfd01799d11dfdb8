import dns from 'node:dns'
import { connect } from 'node:net'
import type { LookupFunction } from 'node:net'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { Disposables } from '../../src/capture/testing/disposables.ts'
import { SaturatedServer } from '../../src/capture/testing/saturated-server.ts'
import { lookupOf } from '../../src/capture/testing/servers.ts'
import type { ProxyEngine } from '../../src/engine.ts'
import { startProxy } from '../../src/proxy.ts'
import type { ConnectAction } from '../../src/rule/rule.ts'
import type { FalseCertificate, TlsAlert } from '../../src/rule/tls-fault.ts'
import { alertRecord } from '../../src/tls/alert.ts'
import { Authority } from '../../src/tls/authority.ts'
import { observers } from './seen.ts'
import type { Asked, Seen } from './seen.ts'
import { deadEnd, serverThat, tlsServer } from './servers.ts'
import type { RealEnd } from './servers.ts'

/** One way for a connect to end badly: as it really happens, and the rule that does the same. */
interface End {
  readonly name: string
  readonly really: () => Promise<RealEnd>
  readonly rule: ConnectAction
  /** @default https only */
  readonly schemes?: readonly ('http' | 'https')[]
  /** @default 127.0.0.1 */
  readonly host?: string
  readonly lookup?: LookupFunction
  readonly patience?: number
  /** What a client must have seen, somewhere: that the real thing has happened. */
  readonly seen: RegExp
}

const both = ['http', 'https'] as const
const authority = Authority.create()
const day = 24 * 60 * 60 * 1000

/** Nothing leaves this machine: Linux itself says that no TCP connection leads to a multicast address. */
const multicast = '224.0.0.1'
/** An address whose host is unreachable, as the kernel below says. */
const lost = '198.51.100.7'

const alert = (name: TlsAlert): Promise<RealEnd> => serverThat(socket => socket.once('data', () => socket.end(alertRecord(name))))
let unused = 50_001
const nobody = (): Promise<RealEnd> => Promise.resolve({ port: unused++, [Symbol.asyncDispose]: () => Promise.resolve() })

const certificates: Record<FalseCertificate, { readonly really: () => Promise<RealEnd>; readonly seen: RegExp }> = {
  expired: {
    really: () => tlsServer(authority.falseLeaf('127.0.0.1', { from: Date.now() - 9 * day, to: Date.now() - day })),
    seen: /CERT_HAS_EXPIRED/,
  },
  notYetValid: {
    really: () => tlsServer(authority.falseLeaf('127.0.0.1', { from: Date.now() + day, to: Date.now() + 9 * day })),
    seen: /CERT_NOT_YET_VALID/,
  },
  selfSigned: { really: () => tlsServer(authority.falseLeaf('127.0.0.1', undefined, 'itself')), seen: /DEPTH_ZERO_SELF_SIGNED_CERT/ },
  wrongHost: { really: () => tlsServer(authority.leaf('wrong-host.invalid')), seen: /ERR_TLS_CERT_ALTNAME_INVALID/ },
  untrusted: { really: () => tlsServer(Authority.create().leaf('127.0.0.1')), seen: /UNABLE_TO_VERIFY_LEAF_SIGNATURE/ },
}

const ends: readonly End[] = [
  { name: 'refused', really: deadEnd, rule: { kind: 'refuse' }, schemes: both, seen: /ECONNREFUSED/ },
  {
    name: 'refused, for a name with one address',
    really: deadEnd,
    rule: { kind: 'refuse', addresses: ['127.0.0.1'] },
    host: 'one.test',
    lookup: lookupOf('127.0.0.1'),
    schemes: both,
    seen: /ECONNREFUSED/,
  },
  {
    name: 'refused, for a name with two addresses',
    really: deadEnd,
    rule: { kind: 'refuse', addresses: ['127.0.0.1', '::1'] },
    host: 'two.test',
    lookup: lookupOf('127.0.0.1', '::1'),
    schemes: both,
    seen: /AggregateError/,
  },
  {
    name: 'no network',
    really: nobody,
    rule: { kind: 'unreachable', code: 'ENETUNREACH' },
    host: multicast,
    schemes: both,
    seen: /ENETUNREACH/,
  },
  {
    name: 'no network, for a name with two addresses',
    really: nobody,
    rule: { kind: 'unreachable', code: 'ENETUNREACH', addresses: [multicast, '224.0.0.2'] },
    host: 'two.test',
    lookup: lookupOf(multicast, '224.0.0.2'),
    seen: /AggregateError/,
  },
  {
    name: 'host unreachable',
    really: nobody,
    rule: { kind: 'unreachable', code: 'EHOSTUNREACH' },
    host: lost,
    schemes: both,
    seen: /EHOSTUNREACH/,
  },
  { name: 'name unknown', really: nobody, rule: { kind: 'failDns' }, host: 'nowhere.invalid', schemes: both, seen: /ENOTFOUND/ },
  {
    name: 'no name server',
    really: nobody,
    rule: { kind: 'failDns', code: 'EAI_AGAIN' },
    host: 'later.invalid',
    seen: /EAI_AGAIN/,
  },
  {
    name: 'connect timeout',
    really: () => SaturatedServer.listen(),
    rule: { kind: 'timeout' },
    schemes: both,
    patience: 500,
    seen: /timeout|timed out|hang up|close/,
  },
  {
    name: 'TLS handshake that hangs, or a request without an answer',
    really: () => serverThat(socket => socket.resume()),
    rule: { kind: 'hang' },
    schemes: both,
    patience: 500,
    seen: /timeout|timed out|hang up|close/,
  },
  {
    name: 'FIN before a byte',
    really: () => serverThat(socket => socket.resume().end()),
    rule: { kind: 'hangUp', how: 'fin' },
    schemes: both,
    seen: /other side closed|hang up|end|before secure TLS|1006/,
  },
  {
    name: 'RST before a byte',
    really: () => serverThat(socket => setImmediate(() => socket.resetAndDestroy())),
    rule: { kind: 'hangUp', how: 'rst' },
    schemes: both,
    seen: /ECONNRESET|1006/,
  },
  {
    name: 'TLS alert handshake_failure, of a server that has no certificate',
    really: () => tlsServer({}),
    rule: { kind: 'failTls', alert: 'handshake_failure' },
    seen: /alert.handshake.failure|1006/i,
  },
  {
    name: 'TLS alert protocol_version, of a server that is too old',
    really: () => tlsServer({ ...authority.leaf('127.0.0.1'), minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }),
    rule: { kind: 'failTls', alert: 'protocol_version' },
    seen: /alert.protocol.version|1006/i,
  },
  ...(['internal_error', 'unrecognized_name', 'access_denied'] as const).map(name => ({
    name: `TLS alert ${name}`,
    really: () => alert(name),
    rule: { kind: 'failTls', alert: name } as const,
    seen: new RegExp(`${name.replace('_', '.')}|1006`, 'i'),
  })),
  ...Object.entries(certificates).map(([certificate, { really, seen }]) => ({
    name: `certificate ${certificate}`,
    really,
    rule: { kind: 'presentCertificate', certificate: certificate as FalseCertificate } as const,
    seen: new RegExp(`${seen.source}|1006`),
  })),
]

const cases = ends.flatMap(end =>
  (end.schemes ?? ['https']).flatMap(scheme =>
    observers
      .filter(({ takesOptions }) => takesOptions || (end.lookup === undefined && end.patience === undefined))
      .map(observer => ({ end, scheme, observer, name: `${observer.name} sees ${scheme}: ${end.name}` })),
  ),
)

const defaults = getCACertificates('default')
const { lookup: realLookup } = dns

/** A name that does not resolve, whoever asks: no question leaves this process. */
function lookupHere(host: string, ...rest: unknown[]): void {
  if (!host.endsWith('.invalid')) return void Reflect.apply(realLookup, dns, [host, ...rest])
  const [code, errno] = host.startsWith('later') ? ['EAI_AGAIN', -3001] : ['ENOTFOUND', -3008]
  const error = Object.assign(new Error(`getaddrinfo ${code} ${host}`), { errno, code, syscall: 'getaddrinfo', hostname: host })
  const answer = rest.at(-1) as (error: Error) => void
  process.nextTick(() => answer(error))
}

/** Lets the kernel say of one address that its host is unreachable; what Node makes of that is Node's own. */
async function loseHost(): Promise<() => void> {
  await using server = await serverThat(socket => socket.end())
  const socket = connect(server.port, '127.0.0.1').on('error', () => {})
  const handle: object = Reflect.get(socket, '_handle')
  const tcp: { connect(...args: unknown[]): number } = Object.getPrototypeOf(handle)
  socket.destroy()
  const { connect: real } = tcp
  tcp.connect = function (...args) {
    const [request, address] = args
    if (address !== lost) return real.apply(this, args)
    const done = (): unknown => Reflect.apply(Reflect.get(request as object, 'oncomplete'), request, [-113, this, request, true, true])
    setImmediate(done)
    return 0
  }
  return () => {
    tcp.connect = real
  }
}

const ask = ({ end, scheme, port }: { end: End; scheme: string; port: number }): Asked => ({
  origin: `${scheme}://${end.host ?? '127.0.0.1'}:${port}`,
  lookup: end.lookup,
  patience: end.patience,
})

/** Which certificate it was matters to nobody: it is another one each time. */
function comparable(seen: Seen): unknown {
  return JSON.parse(JSON.stringify(seen, (key, value: unknown) => (key === 'cert' ? 'a certificate' : value)))
}

/** What every client sees of every end, each on a port of its own. */
async function seeAll(ports: ReadonlyMap<End, number>): Promise<Map<string, Seen>> {
  const all = new Map<string, Seen>()
  await Promise.all(
    cases.map(async ({ end, scheme, observer, name }) => {
      all.set(name, await observer.see(ask({ end, scheme, port: ports.get(end)! })))
    }),
  )
  return all
}

describe.skipIf(process.platform !== 'linux')('every end of a connect', () => {
  const failures: unknown[] = []
  let really: Map<string, Seen>
  let byRule: Map<string, Seen>

  beforeAll(async () => {
    const stack = new Disposables()
    setDefaultCACertificates([authority.certificate])
    stack.defer(() => setDefaultCACertificates(defaults))
    const spy = vi.spyOn(dns, 'lookup').mockImplementation(lookupHere)
    stack.defer(() => spy.mockRestore())
    stack.defer(await loseHost())
    const servers = new Map(await Promise.all(ends.map(async end => [end, stack.use(await end.really())] as const)))
    const ports = new Map([...servers].map(([end, { port }]) => [end, port]))
    really = await seeAll(ports)
    const proxy = stack.use(await startProxy({ adoptUnscoped: true, upstream: 'none', onFailure: ({ error }) => failures.push(error) }))
    for (const [end, port] of ports) addRule(proxy, end, port)
    byRule = await seeAll(ports)
    await stack.disposeAsync()
  }, 30_000)

  test.each(cases)('$name', ({ end, observer, name }) => {
    const seen = really.get(name)
    // WebSockets of browsers say nothing of why.
    expect(JSON.stringify(seen)).toMatch(observer.name === 'WebSocket' ? /error/ : end.seen)
    expect(comparable(byRule.get(name)!)).toEqual(comparable(seen!))
  })

  test('no rule had to say that it could not do it', () => {
    expect(failures).toEqual([])
  })
})

function addRule({ rules, root }: ProxyEngine, { host = '127.0.0.1', rule }: End, port: number): void {
  rules.add({
    on: 'connect',
    scope: root,
    at: { file: 'ends.test.ts', line: 1, column: 1 },
    start: 'onConnect',
    optional: false,
    match: { test: target => target.port === port && target.host === host, text: `${host}:${port}` },
    action: rule,
  })
}
