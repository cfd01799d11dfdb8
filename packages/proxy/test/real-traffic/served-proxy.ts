import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startProxy, type Exchange, type ProxyEngine } from '../../src/index.ts'

/** A proxy, a server with TLS that programs reach through it or directly, and a folder for them. */
export interface ServedProxy extends AsyncDisposable {
  readonly engine: ProxyEngine
  /** `https://localhost:port`: one certificate authority vouches for the server and for what the proxy puts in its place. */
  readonly origin: string
  /** File with the certificate of that authority. */
  readonly ca: string
  readonly folder: string
  /** What went through the proxy since the last call. */
  takeExchanges(): readonly Exchange[]
}

/** `http2`: the server speaks that, and HTTP/1.1 to who wants it. */
export async function serveBehindProxy(listener: RequestListener, { http2 = false } = {}): Promise<ServedProxy> {
  const engine = await startProxy({ adoptUnscoped: true })
  const serve: RequestListener = (request, response) => {
    response.sendDate = false
    listener(request, response)
  }
  const identity = engine.issue('localhost')
  // Its compatibility API serves what a listener for HTTP/1.1 does.
  const server = http2
    ? createSecureServer({ ...identity, allowHTTP1: true }, serve as unknown as Parameters<typeof createSecureServer>[1])
    : createServer(identity, serve)
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, 'localhost')
  await once(server, 'listening')
  const address = server.address()
  const folder = mkdtempSync(join(tmpdir(), 'midwire-traffic-'))
  const ca = join(folder, 'ca.pem')
  writeFileSync(ca, engine.certificate)
  let seen = 0
  return {
    engine,
    origin: `https://localhost:${typeof address === 'object' && address ? address.port : 0}`,
    ca,
    folder,
    takeExchanges() {
      const events = [...engine.journal.read({ after: seen })]
      seen = events.at(-1)?.seq ?? seen
      return events.flatMap(event => (event.kind === 'request' ? [event.exchange] : []))
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
      await engine.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
