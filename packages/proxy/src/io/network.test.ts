import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import tls from 'node:tls'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fetch as undiciFetch, Agent } from 'undici'
import { WebSocket as WsWebSocket } from 'ws'
import { echoServer } from '../../test/echo-server.ts'
import { realAuthority } from '../capture/testing/servers.ts'
import { RawPeer, rawServer } from '../../test/raw-peer.ts'
import type { ProxyEngine, ProxyOptions } from '../engine.ts'
import { startProxy } from '../proxy.ts'
import type { Scope } from '../scope.ts'
import { tellsResetBehindData } from '../../test/reset.ts'

async function capture(options: ProxyOptions = {}): Promise<ProxyEngine> {
  const proxy = await startProxy({ adoptUnscoped: true, ...options })
  onTestFinished(() => proxy.close())
  return proxy
}

/** A host name that leads to an echo server over TLS, or without. */
async function echoHost(options: ProxyOptions = {}): Promise<{ proxy: ProxyEngine; url: string }> {
  const server = await echoServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const proxy = await capture({ route: { 'echo.test': `http://127.0.0.1:${server.port}` }, ...options })
  return { proxy, url: 'wss://echo.test/' }
}

/** A client that speaks first, in a protocol that nobody knows. */
async function rawPair(): Promise<{ proxy: ProxyEngine; client: RawPeer; server: RawPeer }> {
  const listening = await rawServer()
  onTestFinished(() => listening[Symbol.asyncDispose]())
  const proxy = await capture()
  const socket = net.connect({ port: listening.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  onTestFinished(() => void socket.destroy())
  const client = new RawPeer(socket)
  client.socket.write('\u0001hello')
  const server = await listening.accepted()
  await server.untilText('hello')
  return { proxy, client, server }
}

async function open(url: string): Promise<WsWebSocket> {
  const socket = new WsWebSocket(url)
  onTestFinished(() => socket.terminate())
  socket.on('error', () => {})
  await once(socket, 'open')
  return socket
}

async function echoed(socket: WsWebSocket, text: string): Promise<string> {
  socket.send(text)
  const [data] = (await once(socket, 'message')) as [Buffer]
  return data.toString()
}

async function quiet(): Promise<void> {
  for (let n = 0; n < 20; n++) await setImmediate()
}

describe('conditions', () => {
  test('latency is added to each direction, and a message takes at least both', async () => {
    const { proxy, url } = await echoHost()
    const socket = await open(url)
    using conditions = proxy.changeNetwork(proxy.root, { latency: 40 })
    const start = performance.now()
    expect(await echoed(socket, 'a')).toBe('a')
    expect(performance.now() - start).toBeGreaterThanOrEqual(79)
    conditions.change({ latency: undefined })
    const messages = [...proxy.journal.read()].flatMap(event => (event.kind === 'message' ? [event.message] : []))
    expect(messages.map(({ from }) => from)).toEqual(['client', 'server'])
  })

  test('what is on its way when conditions change or go arrives once and in order (T93)', async () => {
    const { proxy, url } = await echoHost()
    const socket = await open(url)
    const got: string[] = []
    socket.on('message', data => got.push(String(data)))
    const sent = Array.from({ length: 300 }, (_, n) => `message ${n} ${'x'.repeat(n)}`)
    const slow = proxy.changeNetwork(proxy.root, { latency: 5, jitter: 5 })
    for (const [n, text] of sent.entries()) {
      socket.send(text)
      if (n === 100) slow.change({ slice: { size: 50, delay: 0 }, bandwidth: 500_000 })
      if (n === 150) await quiet()
      if (n === 200) proxy.changeNetwork(proxy.root, { stall: { probability: 0.5, ms: 5 } })
      if (n === 250) slow.dispose()
    }
    while (got.length < sent.length) await once(socket, 'message')
    expect(got).toEqual(sent)
  })

  test('HTTP is slowed as well, and its answer is whole', async () => {
    const { proxy } = await echoHost()
    using _ = proxy.changeNetwork(proxy.root, { latency: 20, slice: 7 })
    const start = performance.now()
    const answer = await fetch('https://echo.test/path', { method: 'POST', body: 'body' })
    expect(await answer.json()).toMatchObject({ method: 'POST', url: '/path', body: 'body' })
    expect(performance.now() - start).toBeGreaterThanOrEqual(39)
  })

  test('a tunnelled protocol is slowed as well, and its ends keep their place', async () => {
    const { proxy, client, server } = await rawPair()
    using _ = proxy.changeNetwork(proxy.root, { latency: 30 })
    const start = performance.now()
    client.socket.write('a')
    client.socket.end('b')
    expect(await server.ended()).toBe('fin')
    expect(performance.now() - start).toBeGreaterThanOrEqual(29)
    expect(server.text).toBe('\u0001helloab')
    server.socket.end('c')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('c')
  })

  test('`from`, `host` and `connection` say for whom', async () => {
    const { proxy, url } = await echoHost({ route: {} })
    expect(url).toBeTruthy()
    const server = await echoServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    const at = `ws://127.0.0.1:${server.port}`
    const [first, second] = [await open(at), await open(at)]
    const { connections } = proxy
    proxy.changeNetwork(proxy.root, { blackHole: true, host: 'other.test' })
    proxy.changeNetwork(proxy.root, { blackHole: true, host: /^other/ })
    using _ = proxy.changeNetwork(proxy.root, { blackHole: true, from: 'server', connection: connections[1]! })
    expect(await echoed(first, 'a')).toBe('a')
    const silent: unknown[] = []
    second.on('message', data => silent.push(data))
    second.send('b')
    // What the client says still arrives.
    while (
      ![...proxy.journal.read()].some(event => event.kind === 'message' && event.from === 'server' && event.connection === connections[1])
    )
      await quiet()
    await quiet()
    expect(silent).toEqual([])
  })

  test('the share of connections that meets a condition is drawn from the seed', async () => {
    const pattern = async (seed: number): Promise<string> => {
      const proxy = await startProxy({ adoptUnscoped: true, seed, capture: false })
      const server = await echoServer()
      const url = proxy.urlFor(`http://127.0.0.1:${server.port}/`)
      proxy.changeNetwork(proxy.root, { limit: { bytes: 1, then: 'rst' }, from: 'server', probability: 0.5 })
      let drawn = ''
      for (let n = 0; n < 12; n++) {
        const agent = new Agent()
        drawn += await undiciFetch(url, { dispatcher: agent }).then(
          () => 'o',
          () => 'x',
        )
        await agent.destroy()
      }
      await proxy.close()
      await server[Symbol.asyncDispose]()
      return drawn
    }
    const first = await pattern(7)
    expect(first).toMatch(/o/)
    expect(first).toMatch(/x/)
    expect(await pattern(7)).toBe(first)
    expect(await pattern(8)).not.toBe(first)
  })

  test.for([
    ['fin', 'other side closed'],
    ['rst', 'ECONNRESET'],
  ] as const)('a limit ends an exchange with %s in the middle of its body', async ([then, said], { skip }) => {
    skip(then === 'rst' && !tellsResetBehindData)
    const server = http.createServer((_request, response) => response.end('x'.repeat(100_000)))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const proxy = await capture()
    proxy.changeNetwork(proxy.root, { limit: { bytes: 50_000, then }, from: 'server' })
    const { port } = server.address() as net.AddressInfo
    const answer = await fetch(`http://127.0.0.1:${port}/`)
    let length = 0
    const failure = await (async () => {
      for await (const chunk of answer.body!) length += (chunk as Uint8Array).length
    })().catch((error: unknown) => error as Error & { cause: Error & { code: string } })
    expect(length).toBeGreaterThan(49_000)
    expect(length).toBeLessThan(50_000)
    expect(`${failure?.cause.message} ${failure?.cause.code}`).toContain(said)
  })

  test('a request of a test without a network fails on a connection, too, that another had opened', async () => {
    let asked = 0
    const server = http.createServer((_request, response) => {
      asked++
      response.end('ok')
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const proxy = await capture()
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    const { port } = server.address() as net.AddressInfo
    const get = async (through: http.Agent | false = agent): Promise<void> => {
      const [response] = (await once(http.get({ host: '127.0.0.1', port, agent: through }), 'response')) as [http.IncomingMessage]
      await once(response.resume(), 'end')
    }
    const [one, other] = [proxy.openScope('one'), proxy.openScope('other')]
    await proxy.run(one, () => get())
    proxy.goOffline(other)
    await expect(proxy.run(other, () => get())).rejects.toThrow(/ECONNRESET|socket hang up|ECONNREFUSED/)
    expect(asked).toBe(1)
    await proxy.run(one, () => get(false))
  })

  test('a black hole is what undici calls a headers timeout, and what came in time a body timeout', async () => {
    const { proxy } = await echoHost()
    const agent = new Agent({ headersTimeout: 100, bodyTimeout: 100 })
    onTestFinished(() => agent.destroy())
    using hole = proxy.changeNetwork(proxy.root, { blackHole: true, from: 'server' })
    const failure = (await undiciFetch('https://echo.test/', { dispatcher: agent }).catch((error: unknown) => error)) as Error & {
      cause: { code: string }
    }
    expect(failure.cause.code).toBe('UND_ERR_HEADERS_TIMEOUT')
    hole.dispose()
    const server = http.createServer((_request, response) => void response.writeHead(200).write('the first part'))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as net.AddressInfo
    const begun = await undiciFetch(`http://127.0.0.1:${port}/`, { dispatcher: agent })
    proxy.changeNetwork(proxy.root, { blackHole: true })
    const cut = (await begun.text().catch((error: unknown) => error)) as Error & { cause: { code: string } }
    expect(cut.cause.code).toBe('UND_ERR_BODY_TIMEOUT')
  })

  test('on the layer of TCP, a limit cuts TLS in its handshake', async () => {
    const { proxy } = await echoHost()
    using _ = proxy.changeNetwork(proxy.root, { limit: { bytes: 100, then: 'rst' }, from: 'server', layer: 'tcp' })
    const failure = (await fetch('https://echo.test/').catch((error: unknown) => error)) as Error & { cause: { code: string } }
    expect(failure.cause.code).toBe('ECONNRESET')
  })

  test('on the layer of TCP, both handshakes with a server of TLS are slowed, and counted from their first byte', async () => {
    const server = await echoServer({ tls: realAuthority.leaf('localhost') })
    onTestFinished(() => server[Symbol.asyncDispose]())
    const proxy = await capture()
    const options = { ca: realAuthority.certificate }
    const hello = async (): Promise<number> => {
      const start = performance.now()
      const socket = tls.connect({ port: server.port, host: 'localhost', ...options })
      onTestFinished(() => void socket.destroy())
      await once(socket, 'secureConnect')
      return performance.now() - start
    }
    {
      using _ = proxy.changeNetwork(proxy.root, { latency: 40, layer: 'tcp' })
      expect(await hello()).toBeGreaterThanOrEqual(79)
    }
    proxy.changeNetwork(proxy.root, { limit: { bytes: 10, then: 'rst' }, from: 'client', layer: 'tcp' })
    expect((await hello().catch((error: unknown) => error)) as Error).toMatchObject({ code: 'ECONNRESET' })
  })

  test('on the layer of TCP, TLS works over a slow link, and both layers add up', async () => {
    const { proxy, url } = await echoHost()
    using _tcp = proxy.changeNetwork(proxy.root, { latency: 10, slice: { size: 100, delay: 0 }, layer: 'tcp' })
    using _above = proxy.changeNetwork(proxy.root, { latency: 20 })
    const socket = await open(url)
    const start = performance.now()
    expect(await echoed(socket, 'a'.repeat(1000))).toBe('a'.repeat(1000))
    expect(performance.now() - start).toBeGreaterThanOrEqual(59)
  })

  test('reset after a time ends a connection that is busy (T95)', async () => {
    const { proxy, url } = await echoHost()
    const socket = await open(url)
    const closed = once(socket, 'close')
    proxy.changeNetwork(proxy.root, { resetAfter: 50 })
    while (socket.readyState !== WsWebSocket.CLOSED) {
      socket.send('.')
      await setImmediate()
    }
    const [code] = (await closed) as [number]
    expect(code).toBe(1006)
  })

  test('conditions end with their scope, and what waited arrives before its connections are closed', async () => {
    const { proxy, url } = await echoHost()
    const scope = proxy.openScope('a test')
    const socket = await proxy.run(scope, () => open(url))
    const seen: string[] = []
    socket.on('message', data => seen.push(String(data)))
    const closed = once(socket, 'close')
    proxy.changeNetwork(scope, { blackHole: true, from: 'server' })
    socket.send('a')
    while (![...proxy.journal.read()].some(event => event.kind === 'message' && event.from === 'server')) await quiet()
    await proxy.endScope(scope)
    const [code] = (await closed) as [number]
    expect(seen).toEqual(['a'])
    expect(code).toBe(1001)
  })
})

describe('sockets that outlive a test', () => {
  async function pooled(): Promise<{ proxy: ProxyEngine; get: (path: string) => Promise<string>; sockets: () => number }> {
    const sockets = new Set<unknown>()
    const server = http.createServer((request, response) => {
      sockets.add(request.socket)
      response.end(request.url)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    const { port } = server.address() as net.AddressInfo
    const proxy = await capture({ adoptUnscoped: false })
    const agent = new Agent({ connections: 1 })
    onTestFinished(() => agent.destroy())
    const get = async (path: string): Promise<string> =>
      (await undiciFetch(`http://127.0.0.1:${port}${path}`, { dispatcher: agent })).text()
    return { proxy, get, sockets: () => sockets.size }
  }

  test('meet the conditions of the test that uses them, and none of the test that opened them', async () => {
    const { proxy, get, sockets } = await pooled()
    const [first, second, third] = ['first', 'second', 'third'].map(name => proxy.openScope(name)) as [Scope, Scope, Scope]
    proxy.changeNetwork(first, { latency: 1 })
    expect(await proxy.run(first, () => get('/1'))).toBe('/1')
    proxy.changeNetwork(first, { blackHole: true })
    await proxy.endScope(first)
    proxy.changeNetwork(second, { latency: 30 })
    const start = performance.now()
    expect(await proxy.run(second, () => get('/2'))).toBe('/2')
    expect(performance.now() - start).toBeGreaterThanOrEqual(59)
    expect(await proxy.run(third, () => get('/3'))).toBe('/3')
    expect(sockets()).toBe(1)
  })

  test('a test ends as ever where the network of the block around it is away or dead', async () => {
    const { proxy, url } = await echoHost({ adoptUnscoped: false })
    const block = proxy.openScope('a block')
    const scope = proxy.openScope('a test', block)
    const socket = await proxy.run(scope, () => open(url))
    const closed = once(socket, 'close')
    const seen: string[] = []
    socket.on('message', data => seen.push(String(data)))
    using hole = proxy.changeNetwork(block, { blackHole: true, from: 'server' })
    socket.send('a')
    while (![...proxy.journal.read()].some(event => event.kind === 'message' && event.from === 'server')) await quiet()
    await proxy.endScope(scope)
    expect((await closed)[0]).toBe(1001)
    expect(seen).toEqual(['a'])
    hole.change({ latency: 10 })
  })
})

describe('an outage', () => {
  test.for([
    ['refused', 'ECONNREFUSED'],
    ['unreachable', 'ENETUNREACH'],
    ['dns', 'ENOTFOUND'],
  ] as const)('%s: new connections fail with %s', async ([error, code]) => {
    const { proxy } = await echoHost()
    using _ = proxy.goOffline(proxy.root, { error })
    const failure = (await fetch('https://echo.test/').catch((thrown: unknown) => thrown)) as Error & { cause: { code: string } }
    expect(failure.cause.code).toBe(code)
  })

  test.for(['fin', 'rst'] as const)(
    'ends open WebSockets with %s and no close frame, idle keep-alive sockets too; then everything is back',
    async end => {
      const { proxy, url } = await echoHost()
      const socket = await open(url)
      expect(await (await fetch('https://echo.test/before')).json()).toMatchObject({ url: '/before' })
      const closed = once(socket, 'close')
      const outage = proxy.goOffline(proxy.root, { end })
      const [code] = (await closed) as [number]
      expect(code).toBe(1006)
      const failure = (await fetch('https://echo.test/').catch((thrown: unknown) => thrown)) as Error & { cause: { code: string } }
      expect(failure.cause.code).toBe('ECONNREFUSED')
      outage.goOnline()
      expect(await (await fetch('https://echo.test/after')).json()).toMatchObject({ url: '/after' })
      expect(await echoed(await open(url), 'again')).toBe('again')
      const notes = [...proxy.journal.read()].flatMap(event => (event.kind === 'note' ? [event.text] : []))
      expect(notes).toContain('network: offline (refused)')
      expect(notes).toContain('the network went away')
      expect(notes).toContain('network: online')
    },
  )

  test('silent: open connections stay open and mute, and what they said arrives when it is over', async () => {
    const { proxy, url } = await echoHost()
    const socket = await open(url)
    const outage = proxy.goOffline(proxy.root, { end: 'silent', error: 'timeout' })
    const got: string[] = []
    socket.on('message', data => got.push(String(data)))
    socket.send('a')
    const late = open(url)
    await quiet()
    expect(got).toEqual([])
    expect(socket.readyState).toBe(WsWebSocket.OPEN)
    outage.goOnline()
    while (got.length < 1) await once(socket, 'message')
    expect(await echoed(await late, 'b')).toBe('b')
  })

  test("a connect that got no answer fails with its test's end, and counts as one", async () => {
    const leaks: unknown[] = []
    const { proxy } = await echoHost({ adoptUnscoped: false, onLeak: leak => leaks.push(leak) })
    const scope = proxy.openScope('a test')
    proxy.goOffline(scope, { error: 'timeout' })
    const failed = proxy
      .run(scope, () => fetch('https://echo.test/'))
      .catch((error: unknown) => error as Error & { cause: { code: string } })
    while (![...proxy.journal.read()].some(event => event.kind === 'tcp')) await quiet()
    await proxy.endScope(scope)
    expect(((await failed) as { cause: { code: string } }).cause.code).toBe('ETIMEDOUT')
    expect([...proxy.journal.read()].filter(event => event.kind === 'tcp')).toHaveLength(1)
    expect(leaks).toEqual([])
  })

  test('of some hosts leaves the others alone', async () => {
    const { proxy, url } = await echoHost()
    const socket = await open(url)
    using _ = proxy.goOffline(proxy.root, { hosts: [/\.example\.com$/, 'elsewhere.test'] })
    expect(await echoed(socket, 'a')).toBe('a')
    expect((await fetch('https://echo.test/')).status).toBe(200)
    const failure = (await fetch('https://www.example.com/').catch((thrown: unknown) => thrown)) as Error & { cause: { code: string } }
    expect(failure.cause.code).toBe('ECONNREFUSED')
  })

  test('ends an exchange under way, and a tunnel', async () => {
    const { proxy, client, server } = await rawPair()
    proxy.goOffline(proxy.root, { end: 'rst' })
    expect(await client.ended()).toBe('rst')
    expect(await server.ended()).toBe('rst')
  })
})
