import { once } from 'node:events'
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { WebSocket } from 'ws'

export interface SocketServer extends AsyncDisposable {
  /** Plain `http://127.0.0.1:port`. */
  readonly url: string
  readonly http: Server
}

/** A server on loopback whose sockets `serve` speaks to; without it, whatever is attached to `http`. */
export async function startSocketServer(serve?: (socket: WebSocket) => void): Promise<SocketServer> {
  const http = createServer()
  const sockets = serve && new WebSocketServer({ server: http })
  sockets?.on('connection', socket => {
    socket.on('error', () => {})
    serve?.(socket)
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    http,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets?.clients ?? []) socket.terminate()
      http.closeAllConnections()
      await new Promise<void>(resolve => http.close(() => resolve()))
    },
  }
}
