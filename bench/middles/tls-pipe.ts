import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createSecureContext, createServer } from 'node:tls'
import { at, type Middle } from '../middle.ts'
import { join } from './tcp-pipe.ts'

/** TLS to the client, TLS to the server, and a pipe between the plain sides. */
export const tlsPipe: Middle = {
  name: 'TLS pipe',
  async start(upstream) {
    const sockets = new Set<Socket>()
    const { key, cert } = upstream.certificate
    const secureContext = createSecureContext({ ca: upstream.authority.cert })
    const target = { host: 'localhost', port: Number(new URL(upstream.url).port), secureContext, noDelay: true }
    const server = createServer({ key, cert, noDelay: true }, client => join(client, connect(target), sockets))
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 })
    await once(server, 'listening')
    return {
      url: at(upstream.url, (server.address() as AddressInfo).port),
      async stop() {
        server.close()
        for (const socket of sockets) socket.destroy()
        await once(server, 'close')
      },
    }
  },
}
