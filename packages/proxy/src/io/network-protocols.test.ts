import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import net, { type AddressInfo, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { ProxyAgent, fetch as undiciFetch } from 'undici'
import { RawPeer, rawServer } from '../../test/raw-peer.ts'
import type { ProxyEngine, ProxyOptions } from '../engine.ts'
import { startProxy } from '../proxy.ts'

afterEach(() => void vi.useRealTimers())

async function capture(options: ProxyOptions = {}): Promise<ProxyEngine> {
  const proxy = await startProxy({ adoptUnscoped: true, ...options })
  onTestFinished(() => proxy.close())
  return proxy
}

async function serve(listener: http.RequestListener): Promise<string> {
  const server = http.createServer(listener)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

async function serveHttp2(onStream: (stream: http2.ServerHttp2Stream) => void): Promise<string> {
  const server = http2.createServer()
  const sessions: http2.ServerHttp2Session[] = []
  server.on('session', session => sessions.push(session.on('error', () => {})))
  server.on('stream', stream => onStream(stream.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const session of sessions) session.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

function connectHttp2(url: string): http2.ClientHttp2Session {
  const session = http2.connect(url)
  session.on('error', () => {})
  onTestFinished(() => session.destroy())
  return session
}

async function bodyOf(stream: http2.ClientHttp2Stream): Promise<string> {
  stream.setEncoding('utf8')
  let body = ''
  for await (const chunk of stream) body += String(chunk)
  return body
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await setImmediate()
}

async function quiet(): Promise<void> {
  for (let n = 0; n < 20; n++) await setImmediate()
}

describe('HTTP/2', () => {
  test('is slowed, also in the middle of a session, and what comes is whole', async () => {
    const url = await serveHttp2(stream => {
      stream.respond({ ':status': 200 })
      stream.end('x'.repeat(10_000))
    })
    const proxy = await capture()
    const session = connectHttp2(url)
    expect(await bodyOf(session.request({ ':path': '/a' }))).toHaveLength(10_000)
    const slow = proxy.changeNetwork(proxy.root, { latency: 20, slice: { size: 1000, delay: 0 } })
    const start = performance.now()
    expect(await bodyOf(session.request({ ':path': '/b' }))).toBe('x'.repeat(10_000))
    expect(performance.now() - start).toBeGreaterThanOrEqual(39)
    slow.dispose()
    expect(await bodyOf(session.request({ ':path': '/c' }))).toHaveLength(10_000)
  })

  test('falls silent in a black hole, and goes on behind it', async () => {
    const streams: http2.ServerHttp2Stream[] = []
    const url = await serveHttp2(stream => {
      streams.push(stream)
      stream.respond({ ':status': 200 })
      stream.write('a')
    })
    const proxy = await capture()
    const request = connectHttp2(url).request({ ':path': '/' })
    let got = ''
    request.on('data', chunk => (got += String(chunk)))
    await until(() => got === 'a')
    const hole = proxy.changeNetwork(proxy.root, { blackHole: true })
    streams[0]?.end('b')
    await quiet()
    expect(got).toBe('a')
    hole.dispose()
    await until(() => got === 'ab')
  })

  test('loses its session in an outage, and has a new one behind it', async () => {
    const url = await serveHttp2(stream => {
      stream.respond({ ':status': 200 })
      stream.end('answer')
    })
    const proxy = await capture()
    const session = connectHttp2(url)
    expect(await bodyOf(session.request({ ':path': '/' }))).toBe('answer')
    const outage = proxy.goOffline(proxy.root, { end: 'rst' })
    await until(() => session.destroyed)
    outage.goOnline()
    expect(await bodyOf(connectHttp2(url).request({ ':path': '/' }))).toBe('answer')
  })
})

describe('streams of messages over HTTP', () => {
  test('freeze and thaw like any connection', async () => {
    let answer: http.ServerResponse | undefined
    const url = await serve((_request, response) => {
      answer = response.writeHead(200, { 'content-type': 'text/event-stream' })
      answer.write('data: a\n\n')
    })
    const proxy = await capture({ streams: [{ path: '/events' }] })
    const response = await fetch(`${url}/events`)
    let got = ''
    void (async () => {
      for await (const chunk of response.body!) got += Buffer.from(chunk as Uint8Array).toString()
    })().catch(() => {})
    await until(() => got === 'data: a\n\n')
    const [connection] = proxy.connections
    expect(connection?.transport).toBe('sse')
    connection?.freeze()
    answer?.write('data: b\n\n')
    answer?.end('data: c\n\n')
    await quiet()
    expect(got).toBe('data: a\n\n')
    connection?.thaw()
    await until(() => got === 'data: a\n\ndata: b\n\ndata: c\n\n')
    await until(() => connection?.state === 'closed')
  })
})

describe('through an HTTP proxy', () => {
  test.for(['CONNECT', 'the absolute form'] as const)('conditions apply once with %s, and an outage is a failure', async way => {
    const url = await serve((_request, response) => response.end('answer'))
    const proxy = await capture({ capture: false })
    const agent = new ProxyAgent({ uri: proxy.url, proxyTunnel: way === 'CONNECT' })
    onTestFinished(() => agent.destroy())
    const get = async (): Promise<string> => (await undiciFetch(url, { dispatcher: agent })).text()
    expect(await get()).toBe('answer')
    using slow = proxy.changeNetwork(proxy.root, { limit: 300, from: 'server' })
    // Had it been counted twice, or not at all, the second or none would have failed.
    expect(await get()).toBe('answer')
    slow.dispose()
    using outage = proxy.goOffline(proxy.root, { error: 'refused' })
    const failed = await get().then(
      text => text,
      (error: unknown) => String(error),
    )
    expect(failed).toMatch(/fetch failed|could not reach|502|Proxy/)
    outage.goOnline()
    expect(await get()).toBe('answer')
  })
})

describe('time', () => {
  test("with clock: 'test', two minutes of latency take as long as the test says", async () => {
    const listening = await rawServer()
    onTestFinished(() => listening[Symbol.asyncDispose]())
    const proxy = await capture({ clock: 'test' })
    const socket = net.connect({ port: listening.port, host: '127.0.0.1' })
    onTestFinished(() => void socket.destroy())
    const client = new RawPeer(socket)
    socket.write('\u0001')
    const server = await listening.accepted()
    await server.untilText('\u0001')
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
    proxy.changeNetwork(proxy.root, { latency: 120_000 })
    server.socket.write('late')
    await quiet()
    vi.advanceTimersByTime(119_000)
    await quiet()
    expect(client.text).toBe('')
    vi.advanceTimersByTime(2000)
    expect(await client.untilText('late')).toBe('late')
  })

  test('a slow network is back-pressure for a client: what it cannot send stays with it', async () => {
    const listening = await rawServer()
    onTestFinished(() => listening[Symbol.asyncDispose]())
    const proxy = await capture({ clock: 'test' })
    const socket: Socket = net.connect({ port: listening.port, host: '127.0.0.1' })
    onTestFinished(() => void socket.destroy())
    socket.write('\u0001')
    const server = await listening.accepted()
    await server.untilText('\u0001')
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] })
    proxy.changeNetwork(proxy.root, { bandwidth: 100_000 })
    const total = 64 * 1024 * 1024
    for (let n = 0; n < 64; n++) socket.write(Buffer.alloc(1024 * 1024))
    let before = -1
    while (socket.writableLength !== before) {
      before = socket.writableLength
      await quiet()
    }
    expect(socket.writableLength).toBeGreaterThan(total / 2)
    expect(server.received.length).toBeLessThanOrEqual(1)
    for (let ms = 0; ms < 2000; ms += 20) {
      vi.advanceTimersByTime(20)
      await setImmediate()
    }
    await server.until(({ length }) => length >= 100_000)
    await quiet()
    expect(server.received.length).toBeLessThanOrEqual(200_001)
  })
})
