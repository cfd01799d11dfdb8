import { once } from 'node:events'
import type { ServerHttp2Stream } from 'node:http2'
import { constants } from 'node:http2'
import * as undici from 'undici'
import { WebSocket as Ws } from 'ws'
import { describe, expect, onTestFinished, test } from 'vitest'
import { realAuthority } from '../capture/testing/servers.ts'
import type { ProxyEngine } from '../engine.ts'
import type { MessageRule } from '../rule/rule.ts'
import { client, exchanges, type OnStream, plainServer, proxied, secureServer } from './testing/servers.ts'

/** The server's side of a WebSocket on a stream, by the `ws` package. */
function webSocketOn(stream: ServerHttp2Stream): Ws {
  const socket: Ws & { setSocket?: (on: ServerHttp2Stream, head: Buffer, options: object) => void } = Reflect.construct(Ws, [
    null,
    undefined,
    {},
  ])
  socket.setSocket?.(stream, Buffer.alloc(0), { maxPayload: 0, skipUTF8Validation: false, allowSynchronousEvents: true })
  return socket
}

const echo: OnStream = (stream, headers) => {
  if (headers[':protocol'] !== 'websocket') return stream.respond({ ':status': 404 }, { endStream: true })
  if (headers[':path'] === '/no') {
    stream.respond({ ':status': 403, 'x-why': 'because' })
    return void stream.end('not you')
  }
  stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' })
  const socket = webSocketOn(stream)
  socket.on('error', () => {})
  socket.on('message', (data, isBinary) => socket.send(`echo of ${String(data)}`, { binary: isBinary }))
  socket.on('close', (code, reason) => stream.emit('closed by client', code, String(reason)))
}

const withConnect = { settings: { enableConnectProtocol: true } }

function open(port: number, path = '/chat'): undici.WebSocket {
  const dispatcher = new undici.Agent({ allowH2: true, connect: { ca: realAuthority.certificate, ALPNProtocols: ['h2'] } })
  onTestFinished(() => dispatcher.destroy())
  return new undici.WebSocket(`wss://localhost:${port}${path}`, { protocols: ['chat'], dispatcher })
}

const opened = (socket: undici.WebSocket): Promise<unknown> =>
  new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', event => reject(event.error))
  })

const message = (socket: undici.WebSocket): Promise<unknown> =>
  new Promise(resolve => socket.addEventListener('message', ({ data }) => resolve(data), { once: true }))

const closed = (socket: undici.WebSocket): Promise<{ code: number; reason: string }> =>
  new Promise(resolve => socket.addEventListener('close', ({ code, reason }) => resolve({ code, reason })))

function drop(proxy: ProxyEngine, text: string): void {
  proxy.rules.add<MessageRule>({
    on: 'message',
    scope: proxy.root,
    at: { file: 'x.test.ts', line: 1, column: 1 },
    start: 'onClientMessage',
    optional: false,
    from: 'client',
    match: { test: value => String(value) === text, text },
    action: { kind: 'drop' },
    then: [],
  })
}

describe('a WebSocket over HTTP/2 (RFC 8441)', () => {
  test('freezes and thaws, and can be terminated frozen; its session goes on', async () => {
    const { port } = await secureServer(echo, withConnect)
    const proxy = await proxied()
    const socket = open(port)
    await opened(socket)
    const [connection] = proxy.connections
    connection?.freeze({ from: 'server' })
    let got: unknown
    const arrived = message(socket).then(data => (got = data))
    socket.send('hello')
    const isBack = (): boolean => [...proxy.journal.read()].some(event => event.kind === 'message' && event.from === 'server')
    while (!isBack()) await new Promise(resolve => setImmediate(resolve))
    for (let n = 0; n < 20; n++) await new Promise(resolve => setImmediate(resolve))
    expect(got).toBeUndefined()
    connection?.thaw()
    await arrived
    expect(got).toBe('echo of hello')
    connection?.freeze()
    const over = closed(socket)
    connection?.terminate()
    expect(await over).toMatchObject({ code: 1006 })
  })

  test('meets rules, and appears in the journal, as any other', async () => {
    const server = await secureServer(echo, withConnect)
    const proxy = await proxied()
    drop(proxy, 'lost')
    const socket = open(server.port)
    await opened(socket)
    expect(socket.protocol).toBe('chat')
    for (const text of ['lost', 'kept']) socket.send(text)
    expect(await message(socket)).toBe('echo of kept')
    const [connection] = proxy.connections
    expect(connection).toMatchObject({ state: 'open', protocol: 'chat', url: `wss://localhost:${server.port}/chat` })
    const next = message(socket)
    connection?.sendToClient(Buffer.from('from the test'))
    await next
    const over = closed(socket)
    socket.close(4001, 'bye')
    expect(await over).toEqual({ code: 4001, reason: 'bye' })
    await expect.poll(() => connection?.state).toBe('closed')
    expect(exchanges(proxy)).toEqual([])
  })

  test('is refused as upstream refuses it', async () => {
    const server = await secureServer(echo, withConnect)
    const proxy = await proxied()
    await expect(opened(open(server.port, '/no'))).rejects.toThrow()
    expect([...proxy.journal.read()].find(event => event.kind === 'refused')).toMatchObject({ status: 403 })
  })

  test('ends by a reset of its stream alone', async () => {
    const streams: ServerHttp2Stream[] = []
    const server = await plainServer((stream, ...rest) => {
      streams.push(stream)
      echo(stream, ...rest)
    }, withConnect)
    const proxy = await proxied()
    const session = client(`http://localhost:${server.port}`)
    await once(session, 'remoteSettings')
    const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/chat', 'sec-websocket-version': '13' })
    stream.on('error', () => {})
    await once(stream, 'response')
    await expect.poll(() => proxy.connections[0]?.state).toBe('open')
    const upstreamClosed = new Promise(resolve => streams[0]?.on('close', resolve))
    const clientClosed = new Promise(resolve => stream.on('close', resolve))
    proxy.connections[0]?.reset()
    await Promise.all([upstreamClosed, clientClosed])
    expect([stream.rstCode, streams[0]?.rstCode]).toEqual([constants.NGHTTP2_CANCEL, constants.NGHTTP2_CANCEL])
    expect(session.destroyed).toBe(false)
  })
})

test('extended CONNECT is offered to a client only where upstream offers it (T117)', async () => {
  const [without, withIt] = [await plainServer(echo), await plainServer(echo, withConnect)]
  await proxied()
  for (const [server, offered] of [
    [without, false],
    [withIt, true],
  ] as const) {
    const [settings] = await once(client(`http://localhost:${server.port}`), 'remoteSettings')
    expect(settings.enableConnectProtocol).toBe(offered)
  }
})
