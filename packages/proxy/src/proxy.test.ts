import { once } from 'node:events'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import { setImmediate } from 'node:timers/promises'
import tls from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fetch as undiciFetch, request as undiciRequest, WebSocket as UndiciWebSocket } from 'undici'
import { WebSocket as WsWebSocket } from 'ws'
import { echoServer, type EchoServer } from '../test/echo-server.ts'
import { rawClient, rawServer } from '../test/raw-peer.ts'
import { reset } from '../test/reset.ts'
import type { ProxyEngine, ProxyOptions } from './engine.ts'
import { startProxy } from './proxy.ts'
import { Scope } from './scope.ts'

async function capture(options: ProxyOptions = {}): Promise<ProxyEngine> {
  const proxy = await startProxy({ adoptUnscoped: true, ...options })
  onTestFinished(() => proxy.close())
  return proxy
}

async function echo(options?: Parameters<typeof echoServer>[0]): Promise<EchoServer> {
  const server = await echoServer(options)
  onTestFinished(() => server[Symbol.asyncDispose]())
  return server
}

function getWith(module: typeof http | typeof https): (url: string) => Promise<string> {
  return async url => {
    const [response] = (await once(module.get(url, { agent: false }), 'response')) as [http.IncomingMessage]
    let body = ''
    for await (const chunk of response) body += String(chunk)
    return body
  }
}

const httpClients: [string, (url: string) => Promise<string>][] = [
  ['global fetch', async url => (await fetch(url)).text()],
  ['undici fetch', async url => (await undiciFetch(url)).text()],
  ['undici request', async url => (await undiciRequest(url)).body.text()],
  ['node http(s)', async url => getWith(url.startsWith('https') ? https : http)(url)],
]

const webSocketClients: [string, (url: string) => Promise<string>][] = [
  [
    'ws',
    async url => {
      const socket = new WsWebSocket(url)
      await once(socket, 'open')
      socket.send('hello')
      const [data] = await once(socket, 'message')
      socket.close()
      await once(socket, 'close')
      return String(data)
    },
  ],
  ['global WebSocket', url => echoWith(new WebSocket(url))],
  ['undici WebSocket', url => echoWith(new UndiciWebSocket(url))],
]

function echoWith(socket: WebSocket): Promise<string> {
  return new Promise((resolve, reject) => {
    let echoed = ''
    socket.addEventListener('error', reject)
    socket.addEventListener('open', () => socket.send('hello'))
    socket.addEventListener('message', event => {
      echoed = String(event.data)
      socket.close()
    })
    socket.addEventListener('close', () => resolve(echoed))
  })
}

describe.each(['http', 'https'] as const)('an unmodified client of a host that exists nowhere, over %s', scheme => {
  test.each(httpClients)('%s is answered by the server that stands in for it', async (_, get) => {
    const server = await echo()
    const proxy = await capture({ route: { 'api.example.com': `http://127.0.0.1:${server.port}` } })
    expect(JSON.parse(await get(`${scheme}://api.example.com/a?b=1`))).toEqual({
      method: 'GET',
      url: '/a?b=1',
      host: 'api.example.com',
      body: '',
    })
    const [request] = [...proxy.journal.read()].filter(event => event.kind === 'request')
    expect(request?.exchange).toMatchObject({ method: 'GET', url: `${scheme}://api.example.com/a?b=1`, response: { status: 200 } })
  })

  test.each(webSocketClients)('%s opens, echoes and closes', async (_, echoOnce) => {
    const server = await echo()
    const ws = scheme === 'https' ? 'wss' : 'ws'
    const proxy = await capture({ route: { 'api.example.com': `http://127.0.0.1:${server.port}` } })
    expect(await echoOnce(`${ws}://api.example.com/s`)).toBe('hello')
    expect(proxy.connections).toMatchObject([{ url: `${ws}://api.example.com/s` }])
  })
})

describe('TLS to upstream', () => {
  test('upstream is verified with the client’s own ca', async () => {
    const authority = await capture()
    const server = await echo({ tls: authority.issue('localhost') })
    await authority.close()
    const proxy = await capture()
    const ok = https.get(`https://localhost:${server.port}/x`, { ca: authority.certificate, agent: false })
    const [response] = (await once(ok, 'response')) as [http.IncomingMessage]
    response.resume()
    expect(response.statusCode).toBe(200)
    const bad = https.get(`https://localhost:${server.port}/x`, { agent: false })
    const [error] = (await once(bad, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toMatch(/UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY/)
    expect([...proxy.journal.read()].filter(event => event.kind === 'request')).toHaveLength(1)
  })

  test('a server that ends before the handshake fails the client as it would have', async () => {
    const server = await rawServer(peer => peer.socket.end())
    onTestFinished(() => server[Symbol.asyncDispose]())
    await capture()
    for (let round = 0; round < 5; round++) {
      const client = tls.connect({ host: '127.0.0.1', port: server.port })
      expect((await once(client, 'error'))[0]).toMatchObject({ code: 'ECONNRESET' })
    }
  })
})

describe('what is neither TLS nor HTTP', () => {
  test('is tunnelled when the server speaks first, with half-close', async () => {
    const server = await rawServer(peer => peer.socket.write('ready\n'))
    onTestFinished(() => server[Symbol.asyncDispose]())
    await capture()
    const client = net.connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
    expect(String((await once(client, 'data'))[0])).toBe('ready\n')
    expect(client.remotePort).toBe(server.port)
    client.end('bye\n')
    const upstream = await server.accepted()
    expect(await upstream.ended()).toBe('fin')
    expect(upstream.text).toBe('bye\n')
    upstream.socket.end('late\n')
    expect(String((await once(client, 'data'))[0])).toBe('late\n')
    await once(client, 'end')
  })

  test('an RST stays an RST', async () => {
    const server = await rawServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    await capture()
    const client = net.connect(server.port, '127.0.0.1')
    client.write('*1\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('*1\r\n')
    upstream.socket.resetAndDestroy()
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
    expect(error.code).toBe('ECONNRESET')
  })

  test('a server that resets at once resets a client that was about to ask', async () => {
    const server = await rawServer(peer => void setImmediate().then(() => reset(peer.socket)))
    onTestFinished(() => server[Symbol.asyncDispose]())
    await capture()
    const client = await rawClient(server.port)
    client.socket.end('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')
    expect(await client.ended()).toBe('rst')
  })
})

describe('a proxy starts and stops', () => {
  test('stopping twice is stopping once, and leaves no port open', async () => {
    const proxy = await startProxy()
    const { port } = new URL(proxy.url)
    await Promise.all([proxy.close(), proxy.close()])
    const socket = net.connect(Number(port), '127.0.0.1')
    expect((await once(socket, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
  })

  test('after the last stop nothing of the capture is left', async () => {
    const before = [net.Socket.prototype.connect, tls.connect, tls.createSecureContext]
    const proxy = await startProxy()
    expect(net.Socket.prototype.connect).not.toBe(before[0])
    await proxy.close()
    expect([net.Socket.prototype.connect, tls.connect, tls.createSecureContext]).toEqual(before)
  })

  test.each([
    [{ codecs: {} }, /unknown option "codecs" — expected one of codec, /],
    [{ route: { a: 'nowhere' } }, /route\["a"\]: "nowhere" is no URL/],
    [{ upstream: 'elsewhere' }, /upstream: "elsewhere" is no URL/],
    [{ journalLimit: -1 }, /journalLimit: -1 — expected a number of bytes, 0 or more/],
    [{ intercept: { a: 'no' } }, /intercept\["a"\]: no — expected true or false/],
  ])('the options %j are refused', async (options, message) => {
    await expect(startProxy(options as ProxyOptions)).rejects.toThrow(message)
  })

  test('upstream none refuses what no rule answers', async () => {
    await capture({ upstream: 'none' })
    const socket = net.connect(443, 'api.example.com')
    expect((await once(socket, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED', syscall: 'connect' })
  })

  test('a connect of a scope that has ended is refused and reported as a leak', async () => {
    const leaks: unknown[] = []
    const proxy = await capture({ onLeak: leak => leaks.push(leak) })
    const scope = proxy.openScope('a test')
    expect(scope).toBeInstanceOf(Scope)
    await proxy.endScope(scope)
    const socket = proxy.run(scope, () => net.connect(443, 'api.example.com'))
    expect((await once(socket, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
    expect(leaks).toMatchObject([{ scope, host: 'api.example.com', port: 443, stack: expect.stringContaining('proxy.test.ts') }])
  })

  test('a client that connects again whenever it is refused leaves the rest of the process its turns', async () => {
    const proxy = await capture({ upstream: 'none' })
    let refusals = 0
    const connect = (): void => {
      const socket = net.connect(443, 'api.example.com')
      socket.once('error', () => {
        if (++refusals < 1000) connect()
      })
    }
    proxy.run(proxy.root, connect)
    await setImmediate()
    expect(refusals).toBeLessThan(1000)
    refusals = 1000
  })
})
