import http from 'node:http'
import https from 'node:https'
import { once } from 'node:events'
import { connect, Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import * as undici from 'undici'
import { WebSocket as Ws } from 'ws'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Scope } from '../scope.ts'
import { realm } from './realm.ts'
import { Relay } from './testing/relay.ts'
import { httpServer, httpsServer, lookupOf, realAuthority, TestServer } from './testing/servers.ts'

const one = new Scope('one')
const two = new Scope('two')
const inScope = <T>(scope: Scope, run: () => T): T => realm().scopes.run(scope, run)

let plain: TestServer
let secure: TestServer
let relay: Relay
beforeAll(async () => {
  plain = await httpServer()
  secure = await httpsServer('real.test')
})
afterAll(async () => {
  await plain[Symbol.asyncDispose]()
  await secure[Symbol.asyncDispose]()
})
beforeEach(async () => {
  relay = await Relay.start()
})
afterEach(() => relay[Symbol.asyncDispose]())

const tlsOptions = { lookup: lookupOf('127.0.0.1'), ca: realAuthority.certificate }

function get(url: string, agent: http.Agent, headers: http.OutgoingHttpHeaders = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    const module: Pick<typeof http, 'get'> = url.startsWith('https') ? https : http
    module.get(url, { agent, headers }, response => response.resume().on('end', resolve)).on('error', reject)
  })
}

/** What the three have in common. */
interface AnyWebSocket {
  addEventListener(type: 'open' | 'error', listener: () => void): void
  close(): void
}

function open(socket: AnyWebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => {
      resolve()
      socket.close()
    })
    socket.addEventListener('error', () => reject(new Error('no handshake')))
  })
}

describe('a pooled socket used by one test and then by another', () => {
  test.each(['http', 'https'])('of an agent, over %s', async protocol => {
    const agent = protocol === 'http' ? new http.Agent({ keepAlive: true }) : new https.Agent({ keepAlive: true, ...tlsOptions })
    const origin = protocol === 'http' ? `http://127.0.0.1:${plain.port}` : `https://real.test:${secure.port}`
    await inScope(one, () => get(`${origin}/1`, agent))
    await inScope(two, () => get(`${origin}/2`, agent))
    await get(`${origin}/3`, agent)
    await inScope(one, () => get(`${origin}/4`, agent))
    agent.destroy()
    expect(relay.inbounds.length).toBe(1)
    expect(relay.exchanges).toEqual(['GET /1 by one', 'GET /2 by two', 'GET /3 by nobody', 'GET /4 by one'])
  })

  test.each(['http', 'https'])('of an undici Pool, over %s', async protocol => {
    const origin = protocol === 'http' ? `http://127.0.0.1:${plain.port}` : `https://real.test:${secure.port}`
    const pool = new undici.Pool(origin, { connections: 1, connect: tlsOptions })
    const ask = async (path: string): Promise<void> => (await pool.request({ path, method: 'GET' })).body.dump()
    await inScope(one, () => ask('/1'))
    await inScope(two, () => ask('/2'))
    await ask('/3')
    await pool.close()
    expect(relay.inbounds.length).toBe(1)
    expect(relay.exchanges).toEqual(['GET /1 by one', 'GET /2 by two', 'GET /3 by nobody'])
  })

  test('of fetch', async () => {
    const ask = async (path: string): Promise<void> => void (await (await fetch(`http://127.0.0.1:${plain.port}${path}`)).text())
    await inScope(one, () => ask('/1'))
    // The body has ended; the socket is free a turn later.
    await setImmediate()
    await inScope(two, () => ask('/2'))
    expect(relay.inbounds.length).toBe(1)
    expect(relay.exchanges).toEqual(['GET /1 by one', 'GET /2 by two'])
  })

  test('for an upgrade', async () => {
    const agent = new http.Agent({ keepAlive: true })
    await inScope(one, () => get(`http://127.0.0.1:${plain.port}/1`, agent))
    await inScope(two, () => open(new Ws(`ws://127.0.0.1:${plain.port}/2`, { agent })))
    agent.destroy()
    expect(relay.inbounds.length).toBe(1)
    expect(relay.exchanges).toEqual(['GET /1 by one', 'GET /2 by two'])
  })
})

test('a request that waits for a socket is its own test’s, not that of the test which frees the socket', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const origin = `http://127.0.0.1:${plain.port}`
  await Promise.all([
    inScope(one, () => get(`${origin}/1`, agent)),
    inScope(two, () => get(`${origin}/2`, agent)),
    inScope(one, () => get(`${origin}/3`, agent)),
  ])
  agent.destroy()
  expect(relay.inbounds.length).toBe(1)
  expect(relay.exchanges.toSorted()).toEqual(['GET /1 by one', 'GET /2 by two', 'GET /3 by one'])
})

test('a socket that is connected again starts counting again', async () => {
  const socket = new Socket()
  const ask = (path: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const createConnection = (): Socket => socket.connect(plain.port, '127.0.0.1')
      http
        .get({ path, createConnection, headers: { connection: 'close' } }, response => response.resume())
        .on('close', resolve)
        .on('error', reject)
    })
  await inScope(one, () => ask('/1'))
  if (!socket.closed) await once(socket, 'close')
  await inScope(two, () => ask('/2'))
  expect(relay.exchanges).toEqual(['GET /1 by one', 'GET /2 by two'])
})

test('pipelined requests keep their owners', async () => {
  const client = new undici.Client(`http://127.0.0.1:${plain.port}`, { pipelining: 3 })
  const ask = async (path: string): Promise<void> => (await client.request({ path, method: 'GET' })).body.dump()
  await ask('/0')
  await Promise.all([inScope(one, () => ask('/1')), inScope(two, () => ask('/2')), inScope(one, () => ask('/3'))])
  await client.close()
  expect(relay.exchanges).toEqual(['GET /0 by nobody', 'GET /1 by one', 'GET /2 by two', 'GET /3 by one'])
})

test.each<[string, (url: string) => Promise<void>]>([
  ['ws', url => open(new Ws(url))],
  ['WebSocket', url => open(new WebSocket(url))],
  ["undici's WebSocket", url => open(new undici.WebSocket(url))],
])('a handshake of %s is its test’s', async (_name, handshake) => {
  await inScope(two, () => handshake(`ws://127.0.0.1:${plain.port}/chat`))
  expect(relay.exchanges).toEqual(['GET /chat by two'])
  expect(relay.inbounds.map(({ scope }) => scope?.name)).toEqual(['two'])
})

test('a tunnel through a proxy and the requests in it are counted on the socket that carries both', async () => {
  await using proxy = await connectProxy()
  const dispatcher = new undici.ProxyAgent({
    uri: `http://127.0.0.1:${proxy.port}`,
    requestTls: { ca: realAuthority.certificate },
    proxyTunnel: true,
  })
  await inScope(one, async () => (await undici.request(`http://127.0.0.1:${plain.port}/in`, { dispatcher })).body.dump())
  await dispatcher.destroy()
  expect(relay.exchanges.slice(0, 2)).toEqual([`CONNECT 127.0.0.1:${plain.port} by one`, 'GET /in by one'])
})

test('nothing is added to a request', async () => {
  const heads: string[] = []
  const server = http.createServer((request, response) => {
    heads.push(request.rawHeaders.join('|'))
    response.end()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}/`
  const ask = (): Promise<void> => get(url, new http.Agent(), { 'X-Own': 'yes', Expect: '100-continue' })
  await inScope(one, ask)
  await relay[Symbol.asyncDispose]()
  await ask()
  server.closeAllConnections()
  server.close()
  expect(heads[0]).toBe(heads[1])
})

/** A proxy that only knows CONNECT. */
function connectProxy(): Promise<TestServer> {
  const server = http.createServer().on('connect', (request, client, head) => {
    const { hostname, port } = new URL(`http://${request.url}`)
    const upstream = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n')
      upstream.write(head)
      upstream.pipe(client).pipe(upstream)
    })
    for (const socket of [upstream, client]) socket.on('error', () => {})
  })
  return TestServer.listen(server)
}
