import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { connect } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { connect as tlsConnect, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { WebSocketServer } from 'ws'
import type { WebSocket as ServerSocket } from 'ws'
import { Disposables } from '../../src/capture/testing/disposables.ts'
import type { Connection } from '../../src/connection.ts'
import type { ProxyEngine } from '../../src/engine.ts'
import { startProxy } from '../../src/proxy.ts'
import type { HandshakeAction, RuleBase } from '../../src/rule/rule.ts'
import { Authority } from '../../src/tls/authority.ts'
import { reset } from '../reset.ts'
import { closesWithoutOpening, observers } from './seen.ts'
import type { Seen } from './seen.ts'

/** One way for a WebSocket to end, told apart by its path. */
interface End {
  readonly name: string
  /** What a server does when the client has said something; `tcp` lies under the TLS. */
  readonly really: (socket: ServerSocket, stream: Socket, tcp: Socket) => void
  readonly byUs: (connection: Connection) => void
  readonly seen: RegExp
}

/** One way for a handshake to end. */
interface Refusal {
  readonly name: string
  readonly really: (stream: Socket, tcp: Socket) => void
  readonly rule: HandshakeAction
  readonly patience?: number
  readonly seen: RegExp
}

const ends: readonly End[] = [
  ...[1000, 1001, 1011, 3000, 4999].map(code => ({
    name: `close frame ${code}`,
    really: (socket: ServerSocket) => socket.close(code, 'bye'),
    byUs: (connection: Connection) => connection.close(code, 'bye'),
    seen: new RegExp(`"close",${code},"bye"`),
  })),
  {
    name: 'empty close frame',
    really: socket => socket.close(),
    byUs: connection => connection.close(),
    seen: /"close",1005,""/,
  },
  {
    name: 'FIN and no close frame',
    really: (_socket, stream) => stream.end(),
    byUs: connection => connection.terminate(),
    seen: /"close",1006,""/,
  },
  {
    name: 'FIN and no close-notify',
    really: (_socket, _stream, tcp) => tcp.end(),
    byUs: connection => connection.terminate({ closeNotify: false }),
    seen: /"close",1006,""/,
  },
  {
    name: 'RST',
    really: (_socket, _stream, tcp) => reset(tcp),
    byUs: connection => connection.reset(),
    seen: /"close",1006,""/,
  },
]

const refusals: readonly Refusal[] = [
  ...[401, 403, 429, 503].map(status => ({
    name: `answered ${status}`,
    really: (stream: Socket) => stream.end(`HTTP/1.1 ${status} No\r\nContent-Length: 2\r\n\r\nno`),
    rule: { kind: 'respondWith', status, body: Buffer.from('no'), headers: ['Content-Length', '2'] } as const,
    seen: new RegExp(`response: ${status}|1006`),
  })),
  {
    name: 'ended with FIN',
    really: stream => stream.end(),
    rule: { kind: 'end' },
    seen: /hang up|1006/,
  },
  {
    name: 'ended with RST',
    really: (_stream, tcp) => reset(tcp),
    rule: { kind: 'reset' },
    seen: /ECONNRESET|1006/,
  },
  { name: 'left unanswered', really: () => {}, rule: { kind: 'hold' }, patience: 300, seen: /timed out/ },
]

const schemes = ['http', 'https'] as const
const clients = observers.filter(({ speaks }) => speaks === 'websocket')
const cases = schemes.flatMap(scheme =>
  clients.flatMap(client => [
    ...ends.map((end, path) => ({ ...end, name: `${client.name} sees ${scheme}: ${end.name}`, path, scheme, client, patience: undefined })),
    ...refusals
      .map((refusal, n) => ({
        patience: undefined,
        ...refusal,
        name: `${client.name} sees ${scheme}: handshake ${refusal.name}`,
        path: ends.length + n,
        scheme,
        client,
      }))
      .filter(({ patience }) => client.takesOptions || patience === undefined),
  ]),
)

const authority = Authority.create()

interface Real extends AsyncDisposable {
  readonly port: number
  /** With nothing in it that ends, it echoes. */
  isBad: boolean
}

async function serve(scheme: 'http' | 'https'): Promise<Real> {
  const server = scheme === 'https' ? createHttpsServer(authority.leaf('127.0.0.1')) : createHttpServer()
  const sockets = new WebSocketServer({ noServer: true })
  const open = new Set<Socket>()
  server.on('connection', (tcp: Socket) => {
    open.add(tcp)
    tcp.on('error', () => {}).on('close', () => open.delete(tcp))
  })
  server.on('upgrade', (request, stream: Socket, head) => {
    stream.on('error', () => {})
    const tcp: Socket = scheme === 'https' ? Reflect.get(stream, '_parent') : stream
    const path = Number(request.url?.slice(1))
    const refusal = refusals[path - ends.length]
    if (refusal && real.isBad) return void refusal.really(stream, tcp)
    sockets.handleUpgrade(request, stream, head, socket => {
      socket.on('error', () => {})
      socket.on('message', data => {
        if (real.isBad) ends[path]?.really(socket, stream, tcp)
        else socket.send(data)
      })
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const real: Real = {
    port: (server.address() as AddressInfo).port,
    isBad: true,
    async [Symbol.asyncDispose]() {
      for (const tcp of open) tcp.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return real
}

describe('every end of a WebSocket', () => {
  let really: Map<string, Seen>
  let byRule: Map<string, Seen>

  beforeAll(async () => {
    const stack = new Disposables()
    const defaults = getCACertificates('default')
    setDefaultCACertificates([authority.certificate])
    stack.defer(() => setDefaultCACertificates(defaults))
    const servers = { http: stack.use(await serve('http')), https: stack.use(await serve('https')) }
    const seeAll = async (): Promise<Map<string, Seen>> =>
      new Map(
        await Promise.all(
          cases.map(async ({ name, scheme, client, path, patience }) => {
            const origin = `${scheme}://127.0.0.1:${servers[scheme].port}/${path}`
            return [name, await client.see({ origin, says: 'go', patience })] as const
          }),
        ),
      )
    really = await seeAll()
    servers.http.isBad = servers.https.isBad = false
    const proxy = stack.use(await startProxy({ adoptUnscoped: true }))
    addRules(proxy)
    byRule = await seeAll()
    await stack.disposeAsync()
  })

  test.each(cases)('$name', ({ name, seen }) => {
    const view = JSON.stringify(really.get(name))
    // Where it never opened, the WebSocket of Node 22 has no close event, and so no code.
    expect(view).toMatch(closesWithoutOpening || view.includes('open') || !name.startsWith('WebSocket') ? seen : /network error/)
    expect(byRule.get(name)).toEqual(really.get(name))
  })
})

function addRules({ rules, root }: ProxyEngine): void {
  const base: RuleBase = { scope: root, at: { file: 'ends.test.ts', line: 1, column: 1 }, start: 'on', optional: false }
  rules.add({
    ...base,
    on: 'message',
    from: 'client',
    match: { test: () => true, text: 'any' },
    action: { kind: 'handle', fn: (_value, { connection }) => void ends[Number(connection.path.slice(1))]?.byUs(connection) },
    then: [],
  })
  for (const [n, { rule }] of refusals.entries()) {
    const path = `/${ends.length + n}`
    rules.add({ ...base, on: 'handshake', match: { test: facts => facts.path === path, text: path }, action: rule })
  }
}

test('the bytes of a TLS connection end with a close-notify, or with none', async () => {
  // An alert in TLS 1.3: a head of 5 bytes, 2 of its own, its true type, and a tag of 16 (RFC 8446 §5.2).
  const alert = 5 + 2 + 1 + 16
  const read: Record<string, number> = {}
  await using server = await serve('https')
  server.isBad = false
  await using proxy = await startProxy({ adoptUnscoped: true, route: { 'ends.test': `http://127.0.0.1:${server.port}` }, upstream: 'none' })
  proxy.rules.add({
    scope: proxy.root,
    at: { file: 'ends.test.ts', line: 1, column: 1 },
    start: 'onConnect',
    optional: false,
    on: 'handshake',
    match: { test: () => true, text: 'any' },
    action: { kind: 'accept', messages: [Buffer.from('hello')] },
  })
  for (const closeNotify of [true, false]) {
    const tcp = connect({ host: 'ends.test', port: 443 })
    const secure = tlsConnect({ socket: tcp, servername: 'ends.test', session: undefined, ca: proxy.certificate })
    secure.write(upgradeRequest)
    let text = ''
    for await (const chunk of secure.iterator({ destroyOnReturn: false })) if ((text += String(chunk)).includes('hello')) break
    const before = tcp.bytesRead
    secure.resume()
    proxy.connections.at(-1)!.terminate({ closeNotify })
    await once(secure, 'end')
    read[String(closeNotify)] = tcp.bytesRead - before
    secure.destroy()
  }
  expect(read).toEqual({ true: alert, false: 0 })
})

const upgradeRequest = [
  'GET / HTTP/1.1',
  'Host: ends.test',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
  '\r\n',
].join('\r\n')
