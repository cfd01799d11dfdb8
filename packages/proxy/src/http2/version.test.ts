import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import tls from 'node:tls'
import * as undici from 'undici'
import { WebSocket, WebSocketServer } from 'ws'
import { describe, expect, onTestFinished, test } from 'vitest'
import { httpsServer, realAuthority } from '../capture/testing/servers.ts'
import { own, rule } from '../http/testing/wire.ts'
import { ask, client, exchanges, type OnStream, plainServer, proxied, secureServer } from './testing/servers.ts'

const { certificate: ca } = realAuthority
const hello: OnStream = stream => {
  stream.respond({ ':status': 200 })
  stream.end('over h2')
}

/** The protocol that a TLS client is given, or why it is given none. */
async function given(port: number, offered: string[]): Promise<string | false | null> {
  const socket = tls.connect({ host: 'localhost', port, ca, ALPNProtocols: offered })
  try {
    await once(socket, 'secureConnect')
    return socket.alpnProtocol
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  } finally {
    socket.destroy()
  }
}

describe('the protocol of a connection is the one that upstream selects (T115)', () => {
  test.each([
    [
      ['h2', 'http/1.1'],
      ['h2', 'http/1.1'],
    ],
    [
      ['http/1.1', 'h2'],
      ['h2', 'http/1.1'],
    ],
    [['h2', 'http/1.1'], ['http/1.1']],
    [['h2'], ['h2', 'http/1.1']],
    [['h2'], ['http/1.1']],
    [['http/1.1'], ['h2', 'http/1.1']],
    [['acme', 'h2'], ['acme']],
    [['h2', 'http/1.1'], undefined],
  ])('a client that offers %j of a server with %j', async (offered, ALPNProtocols) => {
    const server = tls.createServer({ ...realAuthority.leaf('localhost'), ...(ALPNProtocols && { ALPNProtocols }) }, (socket: Socket) =>
      socket.on('error', () => {}),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const direct = await given(port, offered)
    await proxied()
    expect(await given(port, offered)).toBe(direct)
  })
})

test('undici speaks h2 where the server does, and HTTP/1.1 where it does not', async () => {
  const both = await secureServer(hello)
  const old = await httpsServer('localhost')
  onTestFinished(() => old[Symbol.asyncDispose]())
  const proxy = await proxied()
  const dispatcher = new undici.Agent({ allowH2: true, connect: { ca } })
  onTestFinished(() => dispatcher.destroy())
  expect(await (await undici.request(`https://localhost:${both.port}/a`, { dispatcher })).body.text()).toBe('over h2')
  expect(await (await undici.fetch(`https://localhost:${both.port}/b`, { dispatcher })).text()).toBe('over h2')
  expect(await (await undici.request(`https://localhost:${old.port}/c`, { dispatcher })).body.text()).toBe('answer to /c')
  expect(exchanges(proxy)).toMatchObject([
    { path: '/a', version: '2' },
    { path: '/b', version: '2' },
    { path: '/c', version: '1.1' },
  ])
})

test('clients that offer HTTP/1.1 only are served as ever by a server of both, WebSockets too', async () => {
  const server = https.createServer({ ...realAuthority.leaf('localhost'), ALPNProtocols: ['h2', 'http/1.1'] }, (_request, response) => {
    response.end('over h1')
  })
  new WebSocketServer({ server }).on('connection', socket => socket.send('welcome'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  const proxy = await proxied()
  const [response] = (await once(https.get(`https://localhost:${port}/`, { ca, agent: false }), 'response')) as [http.IncomingMessage]
  expect(await response.toArray()).toEqual([Buffer.from('over h1')])
  const socket = new WebSocket(`wss://localhost:${port}/`, { ca })
  const [message] = await once(socket, 'message')
  expect(String(message)).toBe('welcome')
  socket.terminate()
  expect(proxy.connections).toHaveLength(1)
})

describe('where upstream is not asked first', () => {
  test('a client that offers both gets HTTP/1.1, one that offers h2 alone gets h2', async () => {
    const proxy = await proxied({ upstream: 'none' })
    rule(proxy, { kind: 'respondWith', response: own(200, 'by rule') })
    expect(await given(443, ['h2', 'http/1.1'])).toBe('http/1.1')
    expect(await given(443, ['h2'])).toBe('h2')
    expect(await ask(client('https://nowhere.example.com'), { ':path': '/a' })).toMatchObject({ status: 200, body: 'by rule' })
    expect(exchanges(proxy)).toMatchObject([{ url: 'https://nowhere.example.com/a', version: '2' }])
  })

  test('a rule answers with trailers, or with nothing but a head', async () => {
    const proxy = await proxied({ upstream: 'none' })
    const trailers = ['grpc-status', '14', 'grpc-message', 'gone']
    rule(proxy, { kind: 'respondWith', response: { ...own(200, 'by rule'), trailers } })
    const session = client('https://nowhere.example.com')
    expect(await ask(session, {})).toMatchObject({ body: 'by rule', trailers })
    rule(proxy, { kind: 'respondWith', response: own(200, '', ['Grpc-Status', '14', 'Connection', 'close']) })
    expect(await ask(session, {})).toMatchObject({ headers: { 'grpc-status': '14' }, flags: 5, body: '' })
  })

  test('a request that no rule answers goes to a server of h2, and one without is told by a reset', async () => {
    const server = await secureServer(hello)
    const old = await httpsServer('localhost')
    onTestFinished(() => old[Symbol.asyncDispose]())
    const proxy = await proxied()
    rule(proxy, { kind: 'respondWith', response: own(200, 'by rule') }, { when: ({ path }) => path === '/other' })
    const session = client(`https://localhost:${server.port}`)
    expect((await ask(session, { ':path': '/other' })).body).toBe('by rule')
    expect(server.sessions).toHaveLength(0)
    expect((await ask(session, { ':path': '/' })).body).toBe('over h2')
    const refused = client(`https://localhost:${old.port}`)
    expect((await ask(refused, { ':path': '/' })).status).toBeUndefined()
  })
})

test('a real name is routed to a local server in clear text, for a client that speaks h2 alone', async () => {
  const authorities: unknown[] = []
  const server = await plainServer((stream, headers, ...rest) => {
    authorities.push(headers[':scheme'], headers[':authority'])
    hello(stream, headers, ...rest)
  })
  const proxy = await proxied({ route: { 'api.example.com': `http://127.0.0.1:${server.port}` } })
  expect(await ask(client('https://api.example.com'), { ':path': '/x' })).toMatchObject({ body: 'over h2' })
  expect(authorities).toEqual(['https', 'api.example.com:443'])
  expect(exchanges(proxy)).toMatchObject([{ url: 'https://api.example.com/x' }])
})

describe('clients that are told where the proxy is', () => {
  test('urlFor takes prior knowledge, for a server with TLS and for one without', async () => {
    const origins: unknown[] = []
    const note: OnStream = (stream, headers, ...rest) => {
      origins.push(`${String(headers[':scheme'])}://${String(headers[':authority'])}`)
      hello(stream, headers, ...rest)
    }
    const [secure, plain] = [await secureServer(note), await plainServer(note)]
    const proxy = await proxied({ capture: false, upstream: 'real' })
    const trusted = tls.getCACertificates('default')
    tls.setDefaultCACertificates([...trusted, ca])
    onTestFinished(() => tls.setDefaultCACertificates(trusted))
    for (const origin of [`https://localhost:${secure.port}`, `http://localhost:${plain.port}`]) {
      expect(await ask(client(proxy.urlFor(origin)), { ':path': '/a' })).toMatchObject({ body: 'over h2' })
      expect(origins.splice(0)).toEqual([origin])
      expect(exchanges(proxy).at(-1)).toMatchObject({ url: `${origin}/a`, version: '2' })
    }
  })

  test('CONNECT carries h2 over TLS and in clear text (T115)', async () => {
    const [secure, plain] = [await secureServer(hello), await plainServer(hello)]
    const proxy = await proxied({ capture: false })
    const trusted = tls.getCACertificates('default')
    tls.setDefaultCACertificates([...trusted, ca])
    onTestFinished(() => tls.setDefaultCACertificates(trusted))
    const tunnel = async (port: number): Promise<Socket> => {
      const request = http.request({ port: new URL(proxy.url).port, method: 'CONNECT', path: `localhost:${port}` }).end()
      const [, socket] = (await once(request, 'connect')) as [unknown, Socket]
      return socket
    }
    const plainTunnel = await tunnel(plain.port)
    const inPlain = client(`http://localhost:${plain.port}`, { createConnection: () => plainTunnel })
    expect(await ask(inPlain, { ':path': '/p' })).toMatchObject({ body: 'over h2' })
    const socket = tls.connect({
      socket: await tunnel(secure.port),
      servername: 'localhost',
      ca: proxy.certificate,
      ALPNProtocols: ['h2', 'http/1.1'],
    })
    await once(socket, 'secureConnect')
    expect(socket.alpnProtocol).toBe('h2')
    const inTls = client(`https://localhost:${secure.port}`, { createConnection: () => socket })
    expect(await ask(inTls, { ':path': '/s' })).toMatchObject({ body: 'over h2' })
    expect(exchanges(proxy)).toMatchObject([
      { path: '/p', version: '2' },
      { path: '/s', version: '2' },
    ])
  })
})
