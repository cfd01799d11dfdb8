import { describe, expect, onTestFinished, test } from 'vitest'
import { fetch } from 'undici'
import { WebSocket } from 'ws'
import { once } from 'node:events'
import { echoServer, type EchoServer } from '../../test/echo-server.ts'
import { rawClient, type RawPeer, type RawServer, rawServer } from '../../test/raw-peer.ts'
import type { ProxyEngine, ProxyOptions } from '../engine.ts'
import { startProxy } from '../proxy.ts'
import { message, reply } from './socks5.ts'

async function started(options: ProxyOptions): Promise<ProxyEngine> {
  const proxy = await startProxy(options)
  onTestFinished(() => proxy.close())
  return proxy
}

const portOf = (url: string): number => Number(new URL(url).port)
const seen = (proxy: ProxyEngine): string[] =>
  [...proxy.journal.read()].flatMap(event =>
    event.kind === 'request' ? [event.exchange.url] : event.kind === 'connection' ? [event.connection.url] : [],
  )

describe('chained through a second proxy', () => {
  async function chain(way: (second: ProxyEngine) => string): Promise<{ first: ProxyEngine; second: ProxyEngine; server: EchoServer }> {
    const server = await echoServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    const second = await started({ capture: false, route: { 'api.example.com': `http://127.0.0.1:${server.port}` } })
    const first = await started({ adoptUnscoped: true, upstreamProxy: way(second) })
    return { first, second, server }
  }

  test.each([
    ['HTTP', second => second.url],
    ['HTTP with credentials', second => second.proxyUrl(second.root, { credentials: true })],
    ['SOCKS 5', second => second.socksUrl()],
    ['SOCKS 5 with credentials', second => second.socksUrl(second.root, { credentials: true })],
  ] satisfies [string, (second: ProxyEngine) => string][])('in %s, both see HTTP and WebSockets of this process', async (_, way) => {
    const { first, second } = await chain(way)
    expect(await (await fetch('http://api.example.com/x')).json()).toMatchObject({ url: '/x', host: 'api.example.com' })
    const socket = new WebSocket('ws://api.example.com/ws')
    await once(socket, 'open')
    socket.send('hello')
    expect(String((await once(socket, 'message'))[0])).toBe('hello')
    expect(seen(first)).toEqual(['http://api.example.com/x', 'ws://api.example.com/ws'])
    expect(seen(second)).toEqual(seen(first))
    socket.close()
    await once(socket, 'close')
  })

  test('so does a client that was told of the first', async () => {
    const { first, second } = await chain(({ url }) => url)
    for (const line of ['GET http://api.example.com/absolute', 'CONNECT api.example.com:80']) {
      const client = await rawClient(portOf(first.url))
      client.socket.write(`${line} HTTP/1.1\r\nHost: api.example.com\r\n\r\n`)
      if (line.startsWith('CONNECT')) {
        await client.takeThrough('\r\n\r\n')
        client.socket.write('GET /inside HTTP/1.1\r\nHost: api.example.com\r\n\r\n')
      }
      await client.untilText('"body"')
    }
    expect(seen(second)).toEqual(['http://api.example.com/absolute', 'http://api.example.com/inside'])
  })

  test('what is on this machine is reached directly', async () => {
    const { second, server } = await chain(({ url }) => url)
    await (await fetch(`http://127.0.0.1:${server.port}/x`)).text()
    expect(seen(second)).toEqual([])
  })
})

describe('an upstream proxy', () => {
  async function before(
    answer: (peer: RawPeer) => Promise<void>,
    url: (port: number) => string,
  ): Promise<{ proxy: ProxyEngine; server: RawServer }> {
    const server = await rawServer(peer => void answer(peer).catch(() => peer.socket.destroy()))
    onTestFinished(() => server[Symbol.asyncDispose]())
    return { proxy: await started({ capture: false, upstreamProxy: url(server.port) }), server }
  }

  async function askedFor(proxy: ProxyEngine): Promise<RawPeer> {
    const client = await rawClient(portOf(proxy.url))
    client.socket.write('CONNECT far.example.com:25 HTTP/1.1\r\nHost: far.example.com:25\r\n\r\n')
    return client
  }

  test('of HTTP gets CONNECT with its credentials, and what it says at once is not lost', async () => {
    let head = ''
    const { proxy } = await before(
      async peer => {
        head = await peer.takeThrough('\r\n\r\n')
        peer.socket.write('HTTP/1.1 200 OK\r\n\r\n220 ready\r\n')
      },
      port => `http://me:p%40ss@127.0.0.1:${port}`,
    )
    const client = await askedFor(proxy)
    await client.takeThrough('220 ready\r\n')
    const basic = Buffer.from('me:p@ss').toString('base64')
    expect(head.split('\r\n').slice(0, 3)).toEqual([
      'CONNECT far.example.com:25 HTTP/1.1',
      'Host: far.example.com:25',
      `Proxy-Authorization: Basic ${basic}`,
    ])
  })

  test('of SOCKS gets the name and its credentials', async () => {
    const heard: Buffer[] = []
    const { proxy } = await before(
      async peer => {
        heard.push(await peer.take(4))
        peer.socket.write(Buffer.from([5, 2]))
        heard.push(await peer.take(9))
        peer.socket.write(Buffer.from([1, 0]))
        heard.push(await peer.take(7 + 'far.example.com'.length))
        peer.socket.write(Buffer.concat([message(0, { host: 'a.b', port: 1 }), Buffer.from('220 ready\r\n')]))
      },
      port => `socks5://me:p%40ss@127.0.0.1:${port}`,
    )
    await (await askedFor(proxy)).takeThrough('220 ready\r\n')
    expect(heard).toEqual([
      Buffer.from([5, 2, 0, 2]),
      Buffer.concat([Buffer.from([1, 2]), Buffer.from('me'), Buffer.from([4]), Buffer.from('p@ss')]),
      message(1, { host: 'far.example.com', port: 25 }),
    ])
  })

  test.each([
    ['403', 'http', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n', 'answered CONNECT far.example.com:25 with 403 Forbidden'],
    ['an end', 'http', undefined, 'did not answer CONNECT far.example.com:25'],
    ['an end', 'socks5', undefined, 'ended the connection before it had answered for far.example.com:25'],
    ['another protocol', 'socks5', 'HT', 'does not speak SOCKS 5'],
    ['a need of credentials', 'socks5', Buffer.from([5, 2]), 'needs credentials; give them in its URL'],
    [
      'a ruleset',
      'socks5',
      Buffer.concat([Buffer.from([5, 0]), message(reply.notAllowed, { host: '0.0.0.0', port: 0 })]),
      'connection not allowed by ruleset',
    ],
    [
      'a refused connect',
      'socks5',
      Buffer.concat([Buffer.from([5, 0]), message(reply.connectionRefused, { host: '0.0.0.0', port: 0 })]),
      'connect ECONNREFUSED far.example.com:25',
    ],
  ])('that answers with %s (%s) is named in the 502', async (_, protocol, answer, text) => {
    const { proxy } = await before(
      async peer => {
        await peer.take(3)
        if (answer === undefined) peer.socket.end()
        else peer.socket.write(answer)
      },
      port => `${protocol}://127.0.0.1:${port}`,
    )
    expect(await (await askedFor(proxy)).untilText(text)).toContain('HTTP/1.1 502 Bad Gateway')
  })

  test('that cannot be reached is named, too', async () => {
    const dead = await rawServer()
    await dead[Symbol.asyncDispose]()
    const proxy = await started({ capture: false, upstreamProxy: `http://me:secret@127.0.0.1:${dead.port}` })
    const answer = await (await askedFor(proxy)).untilText('ECONNREFUSED')
    expect(answer).toContain(`the upstream proxy http://127.0.0.1:${dead.port} cannot be reached`)
    expect(answer).not.toContain('secret')
  })

  test.each([
    ['https://127.0.0.1', 'got https:'],
    ['127.0.0.1:8080', 'expected the URL of a proxy'],
    ['http://a/path', 'nothing behind the port'],
    [`socks5://${'a'.repeat(256)}@b`, '255 bytes for a user name'],
  ])('is refused as an option where it cannot be meant: %s', async (upstreamProxy, text) => {
    await expect(startProxy({ upstreamProxy })).rejects.toThrow(text)
  })
})
