import { describe, expect, onTestFinished, test } from 'vitest'
import { connect } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { fetch, ProxyAgent } from 'undici'
import { echoServer } from '../../test/echo-server.ts'
import { rawClient, RawPeer, rawServer } from '../../test/raw-peer.ts'
import { turnsUntil } from '../../test/turns.ts'
import type { ProxyEngine, ProxyOptions } from '../engine.ts'
import type { Tunnel } from '../journal/tunnel-record.ts'
import { startProxy } from '../proxy.ts'

async function started(options: ProxyOptions = {}): Promise<ProxyEngine> {
  const proxy = await startProxy({ capture: false, ...options })
  onTestFinished(() => proxy.close())
  return proxy
}

const portOf = (url: string): number => Number(new URL(url).port)
const tunnels = (proxy: ProxyEngine): Tunnel[] =>
  [...proxy.journal.read()].flatMap(event => (event.kind === 'tunnel' ? [event.tunnel] : []))
const kinds = (proxy: ProxyEngine): string[] => [...proxy.journal.read()].map(event => event.kind)

describe('a host that is not intercepted', () => {
  test.each([
    ["intercept: 'none'", { intercept: 'none' }],
    ['bypass', { bypass: '.example.com' }],
    ['the table', { intercept: { 'api.example.com': false } }],
  ] as const)('is tunnelled by %s, with the certificate of the server itself, and counted', async (_, options) => {
    const other = await started()
    const server = await echoServer({ tls: other.issue('api.example.com') })
    onTestFinished(() => server[Symbol.asyncDispose]())
    // A rule that could answer does not keep the server from being asked.
    const proxy = await started({ ...options, route: { 'api.example.com': `https://127.0.0.1:${server.port}` } })
    proxy.rules.add({
      on: 'handshake',
      scope: proxy.root,
      at: { file: '/tunnelled.test.ts', line: 1, column: 1 },
      start: 'onConnect',
      optional: false,
      match: { test: () => true, text: 'any' },
      action: { kind: 'reset' },
    })
    const agent = new ProxyAgent({ uri: proxy.url, requestTls: { ca: other.certificate } })
    const answer = await fetch('https://api.example.com/x', { dispatcher: agent })
    expect(await answer.json()).toMatchObject({ url: '/x' })
    await agent.close()
    await turnsUntil('the tunnel to end', () => tunnels(proxy)[0]?.endedAt !== undefined)
    expect(kinds(proxy)).toEqual(['tcp', 'tunnel'])
    const [tunnel] = tunnels(proxy)
    expect(tunnel).toMatchObject({ host: 'api.example.com', port: 443 })
    expect(tunnel?.bytesFrom.client).toBeGreaterThan(200)
    expect(tunnel?.bytesFrom.server).toBeGreaterThan(tunnel?.bytesFrom.client ?? Infinity)
    expect(tunnel?.endedAt).toBeGreaterThan(tunnel?.at ?? Infinity)
  })

  test('is relayed unseen where it is asked for in absolute form', async () => {
    const server = await echoServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    const proxy = await started({ bypass: '127.0.0.0/8' })
    const client = await rawClient(portOf(proxy.url))
    client.socket.write(`GET http://127.0.0.1:${server.port}/a HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect(await client.untilText('"body"')).toContain('"url":"/a"')
    expect(kinds(proxy)).toEqual(['tcp'])
  })
})

test('what is neither TLS nor HTTP is counted, byte by byte', async () => {
  const server = await rawServer(peer => peer.socket.write('220 ready\r\n'))
  onTestFinished(() => server[Symbol.asyncDispose]())
  const proxy = await started()
  const client = await rawClient(portOf(proxy.url))
  client.socket.write(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\n`)
  await client.takeThrough('220 ready\r\n')
  expect(tunnels(proxy)).toMatchObject([{ bytesFrom: { client: 0, server: 11 }, endedAt: undefined }])
  client.socket.end('EHLO x\r\n')
  const upstream = await server.accepted()
  await upstream.takeThrough('EHLO x\r\n')
  upstream.socket.end('bye')
  await client.ended()
  await turnsUntil('the tunnel to end', () => tunnels(proxy)[0]?.endedAt !== undefined)
  expect(tunnels(proxy)).toMatchObject([{ bytesFrom: { client: 8, server: 14 } }])
})

test('this process is relayed untouched, too', async () => {
  const server = await rawServer(peer => peer.socket.once('data', () => peer.socket.end('HTTP/1.1 204 No Content\r\n\r\n')))
  onTestFinished(() => server[Symbol.asyncDispose]())
  const proxy = await started({ capture: true, adoptUnscoped: true, intercept: 'none' })
  const client = new RawPeer(connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true }))
  client.socket.end('GET / HTTP/1.1\r\n\r\n')
  await client.ended()
  expect(kinds(proxy)).toEqual(['tcp', 'tunnel'])
})

describe('inside CONNECT', () => {
  test('HTTP in clear text is read, and a WebSocket', async () => {
    const server = await echoServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    const proxy = await started()
    const client = await rawClient(portOf(proxy.url))
    client.socket.write(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n\r\n`)
    await client.takeThrough('\r\n\r\n')
    client.socket.write('GET /plain HTTP/1.1\r\nHost: a.test\r\n\r\n')
    await client.takeThrough('0\r\n\r\n')
    client.socket.write(
      'GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    )
    expect(await client.takeThrough('\r\n\r\n')).toContain('101 Switching Protocols')
    expect(kinds(proxy)).toEqual(['tcp', 'request', 'response', 'handshake', 'connection'])
    expect(proxy.connections[0]?.url).toBe('ws://a.test/ws')
  })

  test('an IPv6 literal is reached, with and without TLS', async () => {
    const proxy = await started()
    const server = await rawServer(
      peer => peer.socket.once('data', () => peer.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nv6')),
      '::1',
    )
    onTestFinished(() => server[Symbol.asyncDispose]())
    const client = await rawClient(portOf(proxy.url))
    client.socket.write(`CONNECT [::1]:${server.port} HTTP/1.1\r\nHost: [::1]:${server.port}\r\n\r\n`)
    await client.takeThrough('\r\n\r\n')
    client.socket.write(`GET / HTTP/1.1\r\nHost: [::1]:${server.port}\r\n\r\n`)
    await client.untilText('v6')
    const absolute = await rawClient(portOf(proxy.url))
    absolute.socket.write(`GET http://[::1]:${server.port}/a HTTP/1.1\r\nHost: [::1]:${server.port}\r\n\r\n`)
    await absolute.untilText('v6')
    const urls = [...proxy.journal.read()].flatMap(event => (event.kind === 'request' ? [event.exchange.url] : []))
    expect(urls).toEqual([`http://[::1]:${server.port}/`, `http://[::1]:${server.port}/a`])
  })

  test('a SNI that is not the host of the CONNECT is what the certificate is for', async () => {
    const server = await echoServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    const proxy = await started({ route: { 'edge.example.net': `http://127.0.0.1:${server.port}` } })
    const client = await rawClient(portOf(proxy.url))
    client.socket.write('CONNECT edge.example.net:443 HTTP/1.1\r\nHost: edge.example.net\r\n\r\n')
    await client.takeThrough('\r\n\r\n')
    client.socket.removeAllListeners('data')
    const secure = new RawPeer(connectTls({ socket: client.socket, servername: 'api.example.com', ca: proxy.certificate }))
    secure.socket.write('GET /x HTTP/1.1\r\nHost: api.example.com\r\n\r\n')
    await secure.untilText('"url":"/x"')
    const [request] = [...proxy.journal.read()].filter(event => event.kind === 'request')
    expect(request?.exchange.url).toBe('https://api.example.com/x')
    secure.socket.destroy()
  })
})
