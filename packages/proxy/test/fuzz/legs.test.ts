import { once } from 'node:events'
import { createServer, Socket } from 'node:net'
import { duplexPair } from 'node:stream'
import { connect as connectTls } from 'node:tls'
import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { connectDirectly } from '../../src/capture/nodes-connect.ts'
import type { ProxyEngine } from '../../src/engine.ts'
import type { EngineContext } from '../../src/engine-context.ts'
import { startProxy } from '../../src/proxy.ts'
import { createMatch } from '../../src/rule/match.ts'
import type { MessageAction } from '../../src/rule/rule.ts'
import { openWebSocket, upgradeServer } from '../endurance/one-web-socket.ts'
import { long, runs } from '../long-run.ts'
import { reset } from '../reset.ts'
import { compressed, content, frameBytes } from '../transparency/frames.ts'
import { patience, turnsUntil } from '../turns.ts'
import { mutated, mutations } from './mutation.ts'

const frames = (masked: boolean): Buffer =>
  Buffer.concat([
    frameBytes({ opcode: 1, payload: content(20, 1), masked, key: 1 }),
    frameBytes({ opcode: 2, payload: content(130, 2), fin: false, masked, key: 2 }),
    frameBytes({ opcode: 9, payload: content(3, 3), masked, key: 3 }),
    frameBytes({ opcode: 0, payload: content(1, 4), masked, key: 4 }),
    frameBytes({ opcode: 1, payload: compressed(content(80, 5)), rsv: 4, masked, key: 5 }),
    frameBytes({ opcode: 8, payload: Buffer.from([3, 232]), masked, key: 6 }),
  ])
const upgrade = (target: string): string =>
  `GET ${target} HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n`
const switched = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n\r\n`

/** What a TLS client sends first. */
async function clientHello(): Promise<Buffer> {
  const [near, far] = duplexPair()
  const client = connectTls({ socket: near, servername: 'example.com' })
  client.on('error', () => {})
  const [hello] = (await once(far, 'data')) as [Buffer]
  client.destroy()
  return hello
}

const starts = ['upgrade', 'request', 'post', 'tls', 'nothing'] as const
const answers = ['101', '200', '403', 'stream', 'nothing'] as const
const leg = {
  changes: mutations,
  noise: fc.uint8Array({ maxLength: 30 }),
  byteByByte: fc.boolean(),
  end: fc.constantFrom('fin' as const, 'rst' as const),
}
const attack = fc.record({
  way: fc.constantFrom('captured' as const, 'reverse' as const, 'forward' as const, 'connect' as const),
  rules: fc.constantFrom('none' as const, 'drop' as const, 'handle' as const),
  client: fc.record({ ...leg, start: fc.constantFrom(...starts) }),
  server: fc.record({ ...leg, start: fc.constantFrom(...answers), when: fc.constantFrom('at once' as const, 'asked' as const) }),
})
type Attack = typeof attack extends fc.Arbitrary<infer A> ? A : never

function serverBytes({ start, changes, noise }: Attack['server']): Buffer {
  const base = {
    '101': Buffer.concat([Buffer.from(switched), frames(false)]),
    '200': Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'),
    '403': Buffer.from('HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\nTrailer: x\r\n\r\n'),
    stream: Buffer.from('HTTP/1.1 200 OK\r\n\r\ndata: 1\n\ndata: 2\n\n'),
    nothing: Buffer.alloc(0),
  }[start]
  return mutated(Buffer.concat([base, noise]), changes)
}

function clientBytes({ client: { start, changes, noise }, way }: Attack, port: number, hello: Buffer): Buffer {
  const target = way === 'forward' ? `http://127.0.0.1:${port}/` : '/'
  const base = {
    upgrade: Buffer.concat([Buffer.from(upgrade(target)), frames(true)]),
    request: Buffer.from(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\nGET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`),
    post: Buffer.from(`POST ${target} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`),
    tls: hello,
    nothing: Buffer.alloc(0),
  }[start]
  const tunnel = way === 'connect' ? Buffer.from(`CONNECT 127.0.0.1:${port} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`) : Buffer.alloc(0)
  return mutated(Buffer.concat([tunnel, base, noise]), changes)
}

/** Writes all of it, and ends; what the other end does meanwhile does not matter. */
async function assail(
  socket: Socket,
  bytes: Buffer,
  { byteByByte, end }: { readonly byteByByte: boolean; readonly end: 'fin' | 'rst' },
): Promise<void> {
  const slow = byteByByte ? Math.min(bytes.length, 400) : 0
  for (let n = 0; n < slow && socket.writable; n++) {
    await new Promise<void>(resolve => socket.write(bytes.subarray(n, n + 1), () => setImmediate(resolve)))
  }
  if (socket.writable) await new Promise<void>(resolve => socket.write(bytes.subarray(slow), () => setImmediate(resolve)))
  if (socket.destroyed) return
  if (end === 'fin') socket.end()
  else reset(socket)
}

/** Resolves when the socket has closed. */
function closed(name: string, socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve()
  return new Promise((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`the ${name} is still open, ${socket.readyState}, after both ends have ended`)),
      patience,
    )
    socket.once('close', () => {
      clearTimeout(late)
      resolve()
    })
  })
}

/** A WebSocket that has nothing to do with the attack. */
async function companion(): Promise<() => Promise<void>> {
  const server = await upgradeServer(socket => socket.on('data', chunk => socket.write(chunk)))
  onTestFinished(() => server[Symbol.asyncDispose]())
  const client = await openWebSocket(server.port)
  onTestFinished(() => void client.destroy())
  // Not masked, so that it comes back as it went: what is relayed unread is relayed all the same.
  const frame = frameBytes({ opcode: 1, payload: content(50, 1), masked: false, key: 0 })
  let received = Buffer.alloc(0)
  client.on('data', chunk => (received = Buffer.concat([received, chunk])))
  return async () => {
    received = Buffer.alloc(0)
    client.write(frame)
    await turnsUntil('the answer on another connection', () => received.length >= frame.length)
    expect(received.equals(frame)).toBe(true)
  }
}

const actions: Record<Exclude<Attack['rules'], 'none'>, MessageAction> = {
  drop: { kind: 'drop' },
  handle: { kind: 'handle', fn: () => new Promise(resolve => setImmediate(resolve, undefined)) },
}

function ruled(proxy: ProxyEngine, rules: Attack['rules']) {
  const scope = proxy.openScope(rules)
  const base = {
    on: 'message',
    from: undefined,
    scope,
    at: { file: import.meta.url, line: 1, column: 1 },
    start: 'onMessage',
    optional: true,
    then: [],
  } as const
  if (rules !== 'none') proxy.rules.add({ ...base, match: createMatch(), action: actions[rules] })
  return scope
}

test(
  'whatever comes in on either leg ends that connection at most, and never hangs it',
  async () => {
    const accepted: Socket[] = []
    let onAccept: ((socket: Socket) => void) | undefined
    const listener = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
      accepted.push(socket)
      socket.on('error', () => {})
      onAccept?.(socket)
    })
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
    onTestFinished(() => void listener.close())
    const address = listener.address()
    const port = typeof address === 'object' && address ? address.port : 0

    const escaped: unknown[] = []
    const escape = (error: unknown): void => void escaped.push(error)
    process.on('unhandledRejection', escape).on('uncaughtException', escape)
    onTestFinished(() => void process.off('unhandledRejection', escape).off('uncaughtException', escape))
    const proxy = await startProxy({ adoptUnscoped: true, journalLimit: 1024 * 1024, onFailure: ({ error }) => escaped.push(error) })
    onTestFinished(() => proxy.close())
    const engine = proxy as ProxyEngine & Pick<EngineContext, 'legs' | 'sockets'>
    const scopes = { none: ruled(proxy, 'none'), drop: ruled(proxy, 'drop'), handle: ruled(proxy, 'handle') }
    const hello = await clientHello()
    const stillWell = await proxy.run(proxy.openScope('beside it'), companion)

    const open = async ({ way, rules }: Attack): Promise<Socket> => {
      const socket = new Socket({ allowHalfOpen: true })
      socket.on('error', () => {})
      socket.setNoDelay(true)
      const scope = scopes[rules]
      if (way === 'captured') proxy.run(scope, () => socket.connect({ host: '127.0.0.1', port }))
      else {
        const own = new URL(way === 'reverse' ? proxy.urlFor(`http://127.0.0.1:${port}`, scope) : proxy.proxyUrl(scope))
        connectDirectly(socket, { host: '127.0.0.1', port: Number(own.port) })
      }
      await once(socket, 'connect')
      return socket
    }

    const property = fc.asyncProperty(attack, async attack => {
      // What an earlier case has left must not spoil this one, or failures could not be shrunk.
      accepted.length = escaped.length = 0
      const [legs, live] = [engine.legs.size, engine.sockets.live.size]
      onAccept = socket => {
        socket.resume()
        const act = (): void => void assail(socket, serverBytes(attack.server), attack.server)
        if (attack.server.when === 'at once') act()
        else socket.once('data', act).once('end', () => socket.end())
      }
      const client = await open(attack)
      client.resume()
      await assail(client, clientBytes(attack, port, hello), attack.client)
      await closed('client', client)
      for (const socket of accepted.splice(0)) await closed('server', socket)
      await turnsUntil('the engine to let go of it', () => engine.legs.size === legs && engine.sockets.live.size === live)
      await stillWell()
      expect(escaped.map(error => (error instanceof Error ? error.stack : error))).toEqual([])
    })
    await fc.assert(property, { ...runs(300, 20_000), interruptAfterTimeLimit: long ? 3_600_000 : 60_000, markInterruptAsFailure: true })
  },
  long ? 3_700_000 : 70_000,
)
