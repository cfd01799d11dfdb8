import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import type { RequestListener } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { Authority } from '@midwire/proxy/authority'
import { WebSocketServer } from 'ws'

export interface Served extends AsyncDisposable {
  /** `http://127.0.0.1:port`, or `https://localhost:port`. */
  readonly origin: string
  readonly port: number
}

/** Serves HTTP on a loopback port, and echoes what comes over WebSockets. */
export async function serve(listener: RequestListener, tls?: { readonly key: string; readonly cert: string }): Promise<Served> {
  const server = tls ? createHttpsServer(tls) : createHttpServer()
  server.on('request', (request, response) => {
    response.sendDate = false
    listener(request, response)
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', socket => {
    socket.on('error', () => {})
    socket.on('message', (data, binary) => socket.send(data, { binary }))
  })
  server.listen(0, tls ? 'localhost' : '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    port,
    origin: tls ? `https://localhost:${port}` : `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** An authority in files, and what servers and clients take of it. */
export function authorityIn(folder: string): {
  readonly cert: string
  readonly key: string
  issue(host: string): { key: string; cert: string }
} {
  const authority = Authority.create()
  const [cert, key] = [`${folder}/authority.pem`, `${folder}/authority.key`]
  writeFileSync(cert, authority.certificate)
  writeFileSync(key, authority.key, { mode: 0o600 })
  return { cert, key, issue: host => authority.leaf(host) }
}
