import { describe, expect, onTestFinished, test } from 'vitest'
import { type RawPeer, type RawServer, rawClient, rawServer } from '../../test/raw-peer.ts'
import type { ProxyEngine } from '../engine.ts'
import { startProxy } from '../proxy.ts'
import { createMatch } from '../rule/match.ts'

/** RFC 6455 §1.3: the key of its example and the answer to it. */
const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const accept = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
/** "Hello", unmasked and masked: RFC 6455 §5.7. */
const fromServer = Buffer.from('810548656c6c6f', 'hex')
const fromClient = Buffer.from('818537fa213d7f9f4d5158', 'hex')

const switching = (extra = ''): string =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${extra}\r\n`

interface Wire {
  readonly client: RawPeer
  readonly server: RawServer
  readonly proxy: ProxyEngine
  /** What the client sends to upgrade, with these lines among its headers. */
  readonly request: (lines?: string) => string
}

/** A raw client whose connection to a raw server is captured. */
async function wire(): Promise<Wire> {
  const server = await rawServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const proxy = await startProxy({ adoptUnscoped: true })
  onTestFinished(() => proxy.close())
  const client = await rawClient(server.port)
  onTestFinished(() => void client.socket.destroy())
  const request = (lines = ''): string =>
    `GET /chat?a=1&b=%20&a=2 HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n${lines}Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`
  return { client, server, proxy, request }
}

/** Resolves once this many messages are in the journal. */
function upstreamIsRead(proxy: ProxyEngine, messages: number): Promise<void> {
  return new Promise(resolve => {
    const look = (): void => void ([...proxy.journal.read()].filter(event => event.kind === 'message').length >= messages && resolve())
    proxy.journal.follow(look)
    look()
  })
}

async function open(extra?: { request?: string; answer?: string }): Promise<Wire & { readonly upstream: RawPeer }> {
  const all = await wire()
  all.client.socket.write(all.request(extra?.request))
  const upstream = await all.server.accepted()
  await upstream.takeThrough('\r\n\r\n')
  upstream.socket.write(switching(extra?.answer))
  await all.client.takeThrough('\r\n\r\n')
  return { ...all, upstream }
}

describe('the handshake reaches both sides as it was sent', () => {
  test('request line, query, header order, case and duplicates are byte-identical upstream (T42)', async () => {
    const { client, server, request } = await wire()
    const head = request(
      'Authorization: Basic eDp5\r\ncookie: a=1; b=2\r\nOrigin: https://x.test\r\nUSER-AGENT: odd/1\r\nX-Two: 1\r\nX-Two: 2\r\n',
    )
    client.socket.write(head)
    expect(await (await server.accepted()).takeThrough('\r\n\r\n')).toBe(head)
  })

  test('the 101 is the upstream’s own, and only the subprotocol that it selected is returned (T43)', async () => {
    const { client, server, request } = await wire()
    client.socket.write(request('Sec-WebSocket-Protocol: a, b\r\n'))
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('\r\n\r\n')).toContain('Sec-WebSocket-Protocol: a, b\r\n')
    const answer = switching('X-Served-By: 7\r\nsec-websocket-protocol: b\r\n')
    upstream.socket.write(answer)
    expect(await client.takeThrough('\r\n\r\n')).toBe(answer)
  })

  test('the journal knows URL, query with repeated keys, headers and subprotocol', async () => {
    const { proxy, server } = await open({
      request: 'Sec-WebSocket-Protocol: a, b\r\nX-Ably: 6\r\n',
      answer: 'Sec-WebSocket-Protocol: b\r\n',
    })
    expect(proxy.connections).toMatchObject([
      {
        id: 1,
        attempt: 1,
        url: `ws://127.0.0.1:${server.port}/chat?a=1&b=%20&a=2`,
        path: '/chat',
        query: { a: ['1', '2'], b: ' ' },
        headers: { 'x-ably': '6' },
        protocol: 'b',
        state: 'open',
      },
    ])
  })

  test.each(['Upgrade: websocket, h2c', 'upgrade: WebSocket'])('%s is a WebSocket (T45)', async line => {
    const { client, server, proxy } = await wire()
    client.socket.write(
      `GET / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n${line}\r\nconnection: keep-alive, UPGRADE\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    )
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write(switching())
    await client.takeThrough('\r\n\r\n')
    expect(proxy.connections).toHaveLength(1)
  })
})

describe('bytes around the 101 are not lost', () => {
  test('a frame in the same segment as the upgrade request arrives once, behind it (T47)', async () => {
    const { client, server, request } = await wire()
    client.socket.write(Buffer.concat([Buffer.from(request()), fromClient]))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write(switching())
    expect(await upstream.take(fromClient.length)).toEqual(fromClient)
    upstream.socket.write(fromServer)
    await client.takeThrough('\r\n\r\n')
    expect(await client.take(fromServer.length)).toEqual(fromServer)
    expect(upstream.received).toHaveLength(0)
  })

  test('a frame in the same segment as the 101 arrives behind it', async () => {
    const { client, server, request } = await wire()
    client.socket.write(request())
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write(Buffer.concat([Buffer.from(switching()), fromServer]))
    await client.takeThrough('\r\n\r\n')
    expect(await client.take(fromServer.length)).toEqual(fromServer)
  })

  test('what a client sends before upstream has answered is queued and delivered once (T09)', async () => {
    const { client, server, request } = await wire()
    client.socket.write(request())
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    client.socket.write(fromClient)
    client.socket.write(fromClient)
    upstream.socket.write(switching())
    expect(await upstream.take(2 * fromClient.length)).toEqual(Buffer.concat([fromClient, fromClient]))
  })
})

describe('upstream refuses', () => {
  test.each([401, 403, 426, 503])('a %d reaches the client with its headers and body, and no connection opens (T40)', async status => {
    const { client, server, proxy, request } = await wire()
    client.socket.write(request())
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    const answer = `HTTP/1.1 ${status} No\r\nX-Reason: quota\r\ncontent-length: 4\r\n\r\nsee?`
    upstream.socket.write(answer)
    expect(await client.untilText('see?')).toBe(answer)
    expect(proxy.connections).toMatchObject([{ state: 'closed' }])
    expect([...proxy.journal.read()].filter(event => event.kind === 'connection')).toEqual([])
  })

  test('after a refusal the connection serves further requests, a second handshake included', async () => {
    const { client, server, proxy, request } = await wire()
    client.socket.write(request())
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write('HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n')
    await client.takeThrough('\r\n\r\n')
    client.socket.write(request('Authorization: yes\r\n'))
    expect(await upstream.takeThrough('\r\n\r\n')).toContain('Authorization: yes')
    upstream.socket.write(switching())
    await client.takeThrough('\r\n\r\n')
    expect(proxy.connections).toMatchObject([
      { attempt: 1, state: 'closed' },
      { attempt: 2, state: 'open' },
    ])
  })

  test('an upstream that resets instead of answering is a reset, never a 101 (T41)', async () => {
    const { client, server, request } = await wire()
    client.socket.write(request())
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.resetAndDestroy()
    expect(await client.ended()).toBe('rst')
    expect(client.text).toBe('')
  })

  test('an upstream that ends instead of answering ends the client’s connection', async () => {
    const { client, server, request } = await wire()
    client.socket.write(request())
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.end()
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('')
  })

  test('a client that resets during the handshake is a reset upstream (T30)', async () => {
    const { client, server, request } = await wire()
    client.socket.write(request())
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    client.socket.resetAndDestroy()
    expect(await upstream.ended()).toBe('rst')
  })

  test('a client that leaves before its request is whole ends the upstream leg', async () => {
    const { client, server, request } = await wire()
    client.socket.end(request().slice(0, -2))
    expect(await (await server.accepted()).ended()).toBe('fin')
  })

  test('a client that gives up during the handshake ends the upstream leg', async () => {
    const { client, server, proxy, request } = await wire()
    client.socket.write(request())
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    client.socket.destroy()
    expect(await upstream.ended()).toMatch(/fin|rst|closed/)
    expect(proxy.connections).toMatchObject([{ state: 'closed' }])
  })
})

describe('an upgrade that is no WebSocket (T49)', () => {
  test('is tunnelled once upstream agrees', async () => {
    const { client, server, proxy } = await wire()
    const head = `GET / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: Upgrade\r\nUpgrade: custom\r\n\r\n`
    client.socket.write(head)
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('\r\n\r\n')).toBe(head)
    upstream.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: custom\r\n\r\nhello')
    await client.takeThrough('\r\n\r\nhello')
    client.socket.write('\x81 is no frame here')
    await upstream.takeThrough('here')
    expect(proxy.connections).toEqual([])
  })

  test('leaves nothing open where the client is gone before upstream was reached', async () => {
    const { server, proxy } = await wire()
    const own = await rawClient(Number(new URL(proxy.urlFor(`http://127.0.0.1:${server.port}`)).port))
    own.socket.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: custom\r\n\r\n')
    // The first is the one that `wire` has captured.
    expect(await (await server.accepted(1)).ended()).toBe('fin')
    expect(await own.ended()).toBe('fin')
  })

  test('is an ordinary request where upstream does not agree', async () => {
    const { client, server } = await wire()
    client.socket.write(
      `GET / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n`,
    )
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    expect(await client.untilText('ok')).toBe('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
})

describe('an open connection ends as its peers end it', () => {
  test('after the client’s FIN the server’s frames still arrive until it ends, too (T28)', async () => {
    const { client, upstream, proxy } = await open()
    client.socket.write(fromClient)
    client.socket.end()
    expect(await upstream.ended()).toBe('fin')
    expect(upstream.received).toEqual(fromClient)
    upstream.socket.write(fromServer)
    expect(await client.take(fromServer.length)).toEqual(fromServer)
    upstream.socket.end()
    expect(await client.ended()).toBe('fin')
    expect(proxy.connections).toMatchObject([{ state: 'closed' }])
  })

  test.each(['client', 'server'] as const)('an RST of the %s is an RST at the other end (T30)', async from => {
    const { client, upstream } = await open()
    const [sender, receiver] = from === 'client' ? [client, upstream] : [upstream, client]
    sender.socket.resetAndDestroy()
    expect(await receiver.ended()).toBe('rst')
  })

  test('stopping the proxy closes what is open with 1001 and FIN (T35)', async () => {
    const { client, upstream, proxy } = await open()
    const stopped = proxy.close()
    // RFC 6455 §5.5.1: a close frame with 1001 and no reason
    expect((await client.take(4)).toString('hex')).toBe('880203e9')
    expect((await upstream.take(2)).toString('hex')).toBe('8882')
    client.socket.destroy()
    upstream.socket.destroy()
    await stopped
    expect(proxy.connections).toMatchObject([{ state: 'closed' }])
  })

  test('what is held or undecided when the proxy stops goes on, in order, before the 1001 (T12)', async () => {
    const { client, upstream, proxy } = await open()
    const rule = {
      scope: proxy.root,
      at: { file: '', line: 1, column: 1 },
      start: 'onServerMessage',
      optional: false,
      from: 'server',
      then: [],
    } as const
    const asked = Promise.withResolvers<void>()
    const never = (): Promise<undefined> => {
      asked.resolve()
      return new Promise(() => {})
    }
    proxy.rules.add({ ...rule, on: 'message', match: createMatch(), action: { kind: 'handle', fn: never } })
    upstream.socket.write(fromServer)
    await asked.promise
    proxy.rules.add({ ...rule, on: 'message', match: createMatch(), action: { kind: 'hold', others: 'wait' } })
    upstream.socket.write(fromServer)
    await upstreamIsRead(proxy, 2)
    const stopped = proxy.close()
    expect((await client.take(2 * fromServer.length + 4)).toString('hex')).toBe(`${fromServer.toString('hex').repeat(2)}880203e9`)
    client.socket.destroy()
    upstream.socket.destroy()
    await stopped
  })

  test('a peer that never ends its side after our FIN is let go (T29)', async () => {
    const { client, upstream, proxy } = await open()
    proxy.connections[0]?.terminate()
    expect(await client.ended()).toBe('fin')
    expect(await upstream.ended()).toBe('fin')
    const gone = [client, upstream].map(({ socket }) => new Promise(resolve => socket.once('close', resolve)))
    // Only an RST to what they still send tells them that nobody is there.
    const talk = setInterval(() => [client, upstream].forEach(({ socket }) => void (socket.destroyed || socket.write(Buffer.alloc(8)))), 5)
    onTestFinished(() => clearInterval(talk))
    await Promise.all(gone)
    expect(proxy.connections).toMatchObject([{ state: 'closed' }])
  })

  test('a peer that stays silent after the 1001 is cut off all the same (T31)', async () => {
    const { client, upstream, proxy } = await open()
    await proxy.close()
    await client.ended()
    await upstream.ended()
    expect(proxy.connections).toMatchObject([{ state: 'closed' }])
  })
})
