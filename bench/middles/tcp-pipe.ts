import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { at, type Middle } from '../middle.ts'

/** Two sockets piped into each other; TLS goes through it unopened. */
export const tcpPipe: Middle = {
  name: 'TCP pipe',
  async start(upstream) {
    const sockets = new Set<Socket>()
    const server = createServer({ noDelay: true }, client => {
      join(client, connect({ host: '127.0.0.1', port: Number(new URL(upstream.url).port), noDelay: true }), sockets)
    })
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

/** Pipes two sockets into each other; both end with the first. */
export function join(client: Socket, server: Socket, sockets: Set<Socket>): void {
  client.pipe(server).pipe(client)
  for (const [socket, peer] of [
    [client, server],
    [server, client],
  ] as const) {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      sockets.delete(socket)
      peer.destroy()
    })
  }
}
