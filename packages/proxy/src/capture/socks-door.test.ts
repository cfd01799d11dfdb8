import { describe, expect, onTestFinished, test } from 'vitest'
import fc from 'fast-check'
import { fetch, Socks5ProxyAgent } from 'undici'
import { echoServer, type EchoServer } from '../../test/echo-server.ts'
import { rawClient, type RawPeer, rawServer } from '../../test/raw-peer.ts'
import { turnsUntil } from '../../test/turns.ts'
import type { ProxyEngine, ProxyOptions } from '../engine.ts'
import type { EngineContext } from '../engine-context.ts'
import { startProxy } from '../proxy.ts'
import { addressText, message, reply } from './socks5.ts'

async function between(options: ProxyOptions = {}): Promise<{ server: EchoServer; proxy: ProxyEngine }> {
  const server = await echoServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const proxy = await startProxy({ capture: false, route: { 'api.example.com': `http://127.0.0.1:${server.port}` }, ...options })
  onTestFinished(() => proxy.close())
  return { server, proxy }
}

const noCredentials = Buffer.from([5, 1, 0])
const portOf = (url: string): number => Number(new URL(url).port)
const notes = (proxy: ProxyEngine): string[] => [...proxy.journal.read()].flatMap(event => (event.kind === 'note' ? [event.text] : []))

/** A client that has offered to do without credentials, and was taken at its word. */
async function greeted(proxy: ProxyEngine): Promise<RawPeer> {
  const client = await rawClient(portOf(proxy.url))
  client.socket.write(noCredentials)
  expect(await client.take(2)).toEqual(Buffer.from([5, 0]))
  return client
}

/** The reply's code. */
async function asked(client: RawPeer, host: string, port: number, command = 1): Promise<number> {
  client.socket.write(message(command, { host, port }))
  const [version, code = -1, , type = 0] = await client.take(4)
  expect(version).toBe(5)
  await client.take(type === 4 ? 18 : 6)
  return code
}

describe('SOCKS 5 (RFC 1928)', () => {
  test('is spoken on the port of the HTTP proxy', async () => {
    const { proxy } = await between()
    expect(proxy.socksUrl()).toBe(proxy.url.replace('http', 'socks5h'))
    expect(portOf(proxy.socksUrl(proxy.root, { credentials: true }))).toBe(portOf(proxy.url))
  })

  test('carries TLS that is read, with names looked up here', async () => {
    const { proxy } = await between()
    const [a, b] = [proxy.openScope('a'), proxy.openScope('b')]
    for (const scope of [a, b]) {
      const url = proxy.socksUrl(scope, { credentials: true }).replace('socks5h', 'socks5')
      const agent = new Socks5ProxyAgent(url, { requestTls: { ca: proxy.certificate } })
      onTestFinished(() => agent.close())
      expect(await (await fetch(`https://api.example.com/${scope.name}`, { dispatcher: agent })).json()).toMatchObject({
        url: `/${scope.name}`,
        host: 'api.example.com',
      })
    }
    const requests = [...proxy.journal.read()].flatMap(event => (event.kind === 'request' ? [[event.scope, event.exchange.url]] : []))
    expect(requests).toEqual([
      [a, 'https://api.example.com/a'],
      [b, 'https://api.example.com/b'],
    ])
  })

  test('carries HTTP', async () => {
    const { server, proxy } = await between()
    const client = await greeted(proxy)
    expect(await asked(client, '127.0.0.1', server.port)).toBe(reply.succeeded)
    client.socket.write('GET /x HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.untilText('"url":"/x"')).toContain('HTTP/1.1 200 OK')
    expect([...proxy.journal.read()]).toMatchObject([{ kind: 'tcp', host: '127.0.0.1' }, { kind: 'request' }, { kind: 'response' }])
  })

  test('carries what is neither, with the ends of both sides, from the very first byte on', async () => {
    const server = await rawServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    const { proxy } = await between()
    const client = await rawClient(portOf(proxy.url))
    // Nothing is waited for: greeting, request and what is to be carried in one.
    client.socket.end(Buffer.concat([noCredentials, message(1, { host: '127.0.0.1', port: server.port }), Buffer.from('EHLO x\r\n')]))
    const upstream = await server.accepted()
    await upstream.takeThrough('EHLO x\r\n')
    expect(await upstream.ended()).toBe('fin')
    upstream.socket.end('bye')
    await client.takeThrough('bye')
    expect(await client.ended()).toBe('fin')
  })

  test('reaches an IPv6 address, and replies with the address it connects from (§6)', async () => {
    const server = await rawServer(peer => peer.socket.write('hello'), '::1')
    onTestFinished(() => server[Symbol.asyncDispose]())
    const { proxy } = await between()
    const client = await greeted(proxy)
    client.socket.write(message(1, { host: '::1', port: server.port }))
    const answer = await client.take(22)
    const upstream = await server.accepted()
    expect(answer.subarray(0, 4)).toEqual(Buffer.from([5, reply.succeeded, 0, 4]))
    expect(addressText(4, answer.subarray(4, 20))).toBe('::1')
    expect(answer.readUInt16BE(20)).toBe(upstream.socket.remotePort)
    await client.takeThrough('hello')
  })

  test('says why a connect failed', async () => {
    const dead = await rawServer()
    await dead[Symbol.asyncDispose]()
    const { proxy } = await between()
    expect(await asked(await greeted(proxy), '127.0.0.1', dead.port)).toBe(reply.connectionRefused)
    expect(await asked(await greeted(proxy), 'nowhere.invalid', 80)).toBe(reply.hostUnreachable)
    for (const [error, code] of [
      ['refused', reply.connectionRefused],
      ['unreachable', reply.networkUnreachable],
      ['dns', reply.hostUnreachable],
    ] as const) {
      using _away = proxy.goOffline(proxy.root, { error })
      expect(await asked(await greeted(proxy), 'api.example.com', 80)).toBe(code)
    }
  })

  test('does nothing but CONNECT', async () => {
    const { proxy } = await between()
    for (const [command, name] of [
      [2, 'BIND'],
      [3, 'UDP ASSOCIATE'],
      [9, 'command 9'],
    ] as const) {
      const client = await greeted(proxy)
      expect(await asked(client, '127.0.0.1', 80, command)).toBe(reply.commandNotSupported)
      expect(await client.ended()).toBe('fin')
      expect(notes(proxy).at(-1)).toContain(`refused a SOCKS client: ${name}; only CONNECT is supported`)
    }
  })

  test.each([
    [
      'an unknown type of address',
      Buffer.from([5, 1, 0, 2, 1, 1, 1, 1]),
      reply.addressTypeNotSupported,
      'address type 2; expected 1, 3 or 4',
    ],
    ['port 0', message(1, { host: 'a.example.com', port: 0 }), reply.generalFailure, 'port 0, is nowhere to connect to'],
    ['an empty name', Buffer.from([5, 1, 0, 3, 0, 0, 80]), reply.generalFailure, '"", port 80, is nowhere to connect to'],
    ['a name that is none', message(1, { host: 'a b', port: 80 }), reply.generalFailure, '"a b", port 80, is nowhere'],
    ['another version', Buffer.from([4, 1, 0, 1]), reply.generalFailure, 'its request is of version 4; expected 5'],
  ])('refuses %s', async (_, request, code, text) => {
    const { proxy } = await between()
    const client = await greeted(proxy)
    client.socket.write(request)
    expect((await client.take(10))[1]).toBe(code)
    expect(await client.ended()).toBe('fin')
    expect(notes(proxy)).toEqual([expect.stringContaining(text)])
  })

  test('refuses methods that it does not know', async () => {
    const { proxy } = await between()
    const client = await rawClient(portOf(proxy.url))
    client.socket.write(Buffer.from([5, 2, 1, 3]))
    expect(await client.take(2)).toEqual(Buffer.from([5, 0xff]))
    expect(await client.ended()).toBe('fin')
    expect(notes(proxy)).toEqual([expect.stringContaining('it offers methods 1, 3; expected no authentication')])
  })
})

describe('user name and password (RFC 1929)', () => {
  const credentials = (name: string): Buffer =>
    Buffer.concat([Buffer.from([1, name.length]), Buffer.from(name), Buffer.from([1]), Buffer.from('x')])

  test('are refused where they were not handed out', async () => {
    const { proxy } = await between()
    const client = await rawClient(portOf(proxy.url))
    client.socket.write(Buffer.concat([Buffer.from([5, 2, 0, 2]), credentials('stranger')]))
    expect(await client.take(4)).toEqual(Buffer.from([5, 2, 1, 1]))
    expect(await client.ended()).toBe('fin')
    expect(notes(proxy)).toEqual(['refused a SOCKS client: its credentials were not handed out by this proxy'])
  })

  test('are needed where the port is open to other machines', async () => {
    const { proxy } = await between({ listen: { host: '0.0.0.0' } })
    const without = await rawClient(portOf(proxy.url))
    without.socket.write(noCredentials)
    expect(await without.take(2)).toEqual(Buffer.from([5, 0xff]))
    const client = await rawClient(portOf(proxy.url))
    client.socket.write(Buffer.concat([Buffer.from([5, 1, 2]), credentials(new URL(proxy.url).username)]))
    expect(await client.take(4)).toEqual(Buffer.from([5, 2, 1, 0]))
  })
})

test.each([
  ['SOCKS 4', Buffer.from([4, 1, 0, 80, 127, 0, 0, 1, 0]), Buffer.from([0, 0x5b, 0, 0, 0, 0, 0, 0])],
  ['TLS to the proxy itself', Buffer.from([0x16, 3, 1, 0, 5]), Buffer.alloc(0)],
])('a client that speaks %s is refused, with a line of the journal', async (what, bytes, answer) => {
  const { proxy } = await between()
  const client = await rawClient(portOf(proxy.url))
  client.socket.write(bytes)
  expect(await client.ended()).toBe('fin')
  expect(client.received).toEqual(answer)
  expect(notes(proxy)).toEqual([`refused a client of the proxy: it speaks ${what}; expected HTTP or SOCKS 5`])
})

test('whatever bytes come in, and wherever they end, every connection comes to an end and nothing escapes', async () => {
  const server = await rawServer(peer => peer.socket.once('data', () => peer.socket.end()).on('end', () => peer.socket.end()))
  onTestFinished(() => server[Symbol.asyncDispose]())
  const escaped: unknown[] = []
  const escape = (error: unknown): void => void escaped.push(error)
  process.on('unhandledRejection', escape).on('uncaughtException', escape)
  onTestFinished(() => void process.off('unhandledRejection', escape).off('uncaughtException', escape))
  const { proxy } = await between({ upstream: `http://127.0.0.1:${server.port}` })
  const { legs } = proxy as ProxyEngine & Pick<EngineContext, 'legs'>
  const address = fc.record({ host: fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), port: fc.nat(65535) })
  const credentials = fc.string({ maxLength: 20 }).map(name => Buffer.from([1, name.length, ...Buffer.from(name, 'latin1'), 0]))
  const part = fc.oneof(
    fc.constant(noCredentials),
    fc.constant(Buffer.from([5, 1, 2])),
    credentials,
    fc.tuple(fc.integer({ min: 0, max: 4 }), address).map(([command, to]) => message(command, to)),
    fc.webUrl().map(url => Buffer.from(`GET ${url} HTTP/1.1\r\nHost: a\r\n\r\n`)),
    fc.string({ maxLength: 10 }).map(to => Buffer.from(`CONNECT ${to} HTTP/1.1\r\n\r\n`)),
    fc.uint8Array({ maxLength: 30 }).map(bytes => Buffer.from(bytes)),
  )
  const attack = fc.record({ parts: fc.array(part, { minLength: 1, maxLength: 4 }), end: fc.constantFrom('fin', 'rst') })
  await fc.assert(
    fc.asyncProperty(attack, async ({ parts, end }) => {
      const client = await rawClient(portOf(proxy.url))
      for (const bytes of parts) client.socket.write(bytes)
      if (end === 'fin') client.socket.end()
      else client.socket.resetAndDestroy()
      await turnsUntil('the client to be ended', () => client.socket.closed)
      await turnsUntil('the engine to let go of it', () => legs.size === 0)
      expect(escaped).toEqual([])
    }),
    { numRuns: 200 },
  )
}, 30_000)
