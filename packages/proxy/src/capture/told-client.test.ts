import { describe, expect, onTestFinished, test } from 'vitest'
import { once } from 'node:events'
import { fetch, ProxyAgent, WebSocket as UndiciWebSocket } from 'undici'
import { WebSocket } from 'ws'
import { echoServer, type EchoServer } from '../../test/echo-server.ts'
import { rawClient, rawServer } from '../../test/raw-peer.ts'
import { turnsUntil } from '../../test/turns.ts'
import type { ProxyEngine } from '../engine.ts'
import type { ProxyOptions } from '../engine.ts'
import type { EngineContext } from '../engine-context.ts'
import { startProxy } from '../proxy.ts'

async function between(options: (server: EchoServer) => ProxyOptions = () => ({})): Promise<{ server: EchoServer; proxy: ProxyEngine }> {
  const server = await echoServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const proxy = await startProxy({ capture: false, ...options(server) })
  onTestFinished(() => proxy.close())
  return { server, proxy }
}

const toExample = (server: EchoServer): ProxyOptions => ({ route: { 'api.example.com': `http://127.0.0.1:${server.port}` } })

describe('urlFor: a loopback URL that stands for an upstream', () => {
  test('fetch reaches the upstream, which sees its own host', async () => {
    const { server, proxy } = await between(toExample)
    const answer = await fetch(proxy.urlFor('https://api.example.com/time?x=1'))
    expect(await answer.json()).toEqual({ method: 'GET', url: '/time?x=1', host: 'api.example.com', body: '' })
    expect(server.handshakes).toEqual([])
    const [request] = [...proxy.journal.read()].filter(event => event.kind === 'request')
    expect(request?.exchange).toMatchObject({ url: 'https://api.example.com/time?x=1', response: { status: 200 } })
  })

  test('a WebSocket reaches the upstream and its messages come back', async () => {
    const { server, proxy } = await between(toExample)
    const url = proxy.urlFor('wss://api.example.com/socket?v=6')
    expect(url).toMatch(/^ws:\/\/127\.0\.0\.1:\d+\/socket\?v=6$/)
    const socket = new WebSocket(url)
    await once(socket, 'open')
    socket.send('hello')
    expect(String((await once(socket, 'message'))[0])).toBe('hello')
    expect(server.handshakes).toMatchObject([{ url: '/socket?v=6', headers: { host: 'api.example.com' } }])
    expect(proxy.connections).toMatchObject([
      { id: 1, attempt: 1, url: 'wss://api.example.com/socket?v=6', host: 'api.example.com', state: 'open', query: { v: '6' } },
    ])
    socket.close()
    await once(socket, 'close')
  })

  test('the same origin has the same port, another one another', async () => {
    const { proxy } = await between()
    const [a, b, c] = ['wss://a.test/1', 'https://a.test/2', 'wss://b.test/'].map(url => new URL(proxy.urlFor(url)).port)
    expect(a).toBe(b)
    expect(c).not.toBe(a)
  })

  test('what cannot be a URL of an upstream is refused with what was expected', async () => {
    const { proxy } = await between()
    expect(() => proxy.urlFor('api.example.com')).toThrow(/urlFor: "api.example.com" is no URL — expected one such as/)
    expect(() => proxy.urlFor('ftp://api.example.com')).toThrow(/expected http:, https:, ws: or wss:/)
  })

  test('an upstream that refuses is a reset', async () => {
    const dead = await rawServer()
    await dead[Symbol.asyncDispose]()
    const { proxy } = await between()
    const client = await rawClient(Number(new URL(proxy.urlFor(`http://127.0.0.1:${dead.port}`)).port))
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await client.ended()).toBe('rst')
    expect([...proxy.journal.read()]).toContainEqual(
      expect.objectContaining({ kind: 'note', text: expect.stringContaining('ECONNREFUSED') }),
    )
  })
})

describe('url: an HTTP proxy', () => {
  test('a request in absolute form goes out in origin form, without the fields meant for a proxy', async () => {
    const { server, proxy } = await between()
    const client = await rawClient(Number(new URL(proxy.url).port))
    client.socket.write(
      `GET http://127.0.0.1:${server.port}/a?b HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nProxy-Connection: keep-alive\r\nX: 1\r\n\r\n`,
    )
    expect(await client.untilText('"url":"/a?b"')).toContain('HTTP/1.1 200 OK')
    const [request] = [...proxy.journal.read()].filter(event => event.kind === 'request')
    expect(request?.exchange.url).toBe(`http://127.0.0.1:${server.port}/a?b`)
  })

  test('one client connection may ask for several hosts', async () => {
    const [a, b] = [await echoServer(), await echoServer()]
    onTestFinished(async () => {
      await a[Symbol.asyncDispose]()
      await b[Symbol.asyncDispose]()
    })
    const { proxy } = await between()
    const client = await rawClient(Number(new URL(proxy.url).port))
    for (const { port } of [a, b, a]) {
      client.socket.write(`GET http://127.0.0.1:${port}/ HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
      await client.takeThrough(`"host":"127.0.0.1:${port}"`)
      await client.takeThrough('0\r\n\r\n')
    }
  })

  test('CONNECT is answered, and the TLS inside is read with a leaf for the host', async () => {
    const { proxy } = await between(toExample)
    const agent = new ProxyAgent({ uri: proxy.url, requestTls: { ca: proxy.certificate } })
    onTestFinished(() => agent.close())
    const answer = await fetch('https://api.example.com/x', { dispatcher: agent, method: 'POST', body: 'hi' })
    expect(await answer.json()).toEqual({ method: 'POST', url: '/x', host: 'api.example.com', body: 'hi' })
    const [request] = [...proxy.journal.read()].filter(event => event.kind === 'request')
    expect(request?.exchange).toMatchObject({ method: 'POST', url: 'https://api.example.com/x', requestBytes: 2 })
  })

  test('a WebSocket inside CONNECT is a connection like any other', async () => {
    const { proxy } = await between(toExample)
    const agent = new ProxyAgent({ uri: proxy.url, requestTls: { ca: proxy.certificate } })
    onTestFinished(() => agent.close())
    const socket = new UndiciWebSocket('wss://api.example.com/s', { dispatcher: agent })
    const echoed = new Promise(resolve => socket.addEventListener('message', event => resolve(event.data)))
    socket.addEventListener('open', () => socket.send('hello'))
    expect(await echoed).toBe('hello')
    expect(proxy.connections).toMatchObject([{ url: 'wss://api.example.com/s', state: 'open' }])
    const closed = new Promise(resolve => socket.addEventListener('close', resolve))
    socket.close()
    await closed
  })

  test('what is neither TLS nor HTTP inside CONNECT is tunnelled, a server that speaks first included', async () => {
    const server = await rawServer(peer => peer.socket.write('220 ready\r\n'))
    onTestFinished(() => server[Symbol.asyncDispose]())
    const { proxy } = await between()
    const client = await rawClient(Number(new URL(proxy.url).port))
    client.socket.write(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`)
    await client.takeThrough('\r\n\r\n')
    await client.takeThrough('220 ready\r\n')
    client.socket.write('EHLO x\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('EHLO x\r\n')
    client.socket.end()
    expect(await upstream.ended()).toBe('fin')
    upstream.socket.end('221 bye\r\n')
    expect(await client.takeThrough('221 bye\r\n')).toContain('bye')
    expect(await client.ended()).toBe('fin')
  })

  test('a CONNECT to a dead port is answered 502, not destroyed', async () => {
    const dead = await rawServer()
    await dead[Symbol.asyncDispose]()
    const { proxy } = await between()
    const client = await rawClient(Number(new URL(proxy.url).port))
    client.socket.write(`CONNECT 127.0.0.1:${dead.port} HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect(await client.untilText('ECONNREFUSED')).toContain('HTTP/1.1 502 Bad Gateway')
    client.socket.end('what it would have said')
    const { legs } = proxy as ProxyEngine & Pick<EngineContext, 'legs'>
    await turnsUntil('the connection to be let go', () => legs.size === 0)
  })

  test('a request in absolute form to a dead port is answered 502', async () => {
    const dead = await rawServer()
    await dead[Symbol.asyncDispose]()
    const { proxy } = await between()
    const client = await rawClient(Number(new URL(proxy.url).port))
    client.socket.write(`GET http://127.0.0.1:${dead.port}/ HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect(await client.untilText('ECONNREFUSED')).toContain('HTTP/1.1 502 Bad Gateway')
  })
})
