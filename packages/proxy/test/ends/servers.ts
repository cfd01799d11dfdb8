import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import type { TlsOptions } from 'node:tls'

/** Something that really ends connections in a certain way. */
export interface RealEnd extends AsyncDisposable {
  readonly port: number
}

async function listening(server: ReturnType<typeof createServer>): Promise<RealEnd> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
}

/** Accepts, and does this with what it has accepted. */
export function serverThat(act: (socket: Socket) => void): Promise<RealEnd> {
  return listening(createServer(act))
}

/** Nobody listens there. */
export async function deadEnd(): Promise<RealEnd> {
  const server = await listening(createServer())
  await server[Symbol.asyncDispose]()
  return server
}

/** A TLS server that is set up in this way. */
export function tlsServer(options: TlsOptions): Promise<RealEnd> {
  const server = createTlsServer(options, socket => socket.on('error', () => {}).end('HTTP/1.1 204 No Content\r\n\r\n'))
  server.on('tlsClientError', () => {})
  return listening(server)
}
