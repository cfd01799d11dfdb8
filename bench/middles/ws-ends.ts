import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { at, type Middle } from '../middle.ts'

/** A `ws` server and a `ws` client back to back, which is how a proxy is written in ten lines. */
export const wsEnds: Middle = {
  name: 'two ws ends',
  async start(upstream) {
    const { key, cert } = upstream.certificate
    const ca = upstream.authority.cert
    const http = upstream.url.startsWith('wss:') ? createTlsServer({ key, cert }) : createServer()
    const ends = new WebSocketServer({ server: http, perMessageDeflate: false })
    ends.on('connection', (client, request) => {
      const server = new WebSocket(upstream.url + request.url, { ca, perMessageDeflate: false })
      const early: (readonly [RawData, boolean])[] = []
      client.on('message', (data, binary) =>
        server.readyState === WebSocket.OPEN ? server.send(data, { binary }) : early.push([data, binary]),
      )
      server.on('open', () => early.forEach(([data, binary]) => server.send(data, { binary })))
      server.on('message', (data, binary) => client.send(data, { binary }))
      for (const [socket, peer] of [
        [client, server],
        [server, client],
      ] as const) {
        socket.on('error', () => {})
        socket.on('close', () => peer.terminate())
      }
    })
    http.listen({ port: 0, host: '127.0.0.1', backlog: 1024 })
    await once(http, 'listening')
    return {
      url: at(upstream.url, (http.address() as AddressInfo).port),
      async stop() {
        for (const client of ends.clients) client.terminate()
        http.close()
        await once(http, 'close')
      },
    }
  },
}
