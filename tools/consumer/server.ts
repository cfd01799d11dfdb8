import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { ProtocolMessage } from './realtime.ts'

/** Acknowledges every message. */
export async function startServer(): Promise<{ url: string; close(): void }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  server.on('connection', socket => {
    const send = (message: ProtocolMessage): void => socket.send(JSON.stringify(message))
    send({ action: 'CONNECTED' })
    socket.on('message', bytes => {
      const { msgSerial } = JSON.parse(String(bytes)) as ProtocolMessage
      send({ action: 'ACK', ...(msgSerial !== undefined && { msgSerial }) })
    })
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() }
}
