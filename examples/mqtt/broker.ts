import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Aedes } from 'aedes'
import { createWebSocketStream, WebSocketServer } from 'ws'

export interface Broker extends AsyncDisposable {
  /** Plain `http://127.0.0.1:port`. */
  readonly url: string
}

/** An MQTT broker that speaks WebSocket. */
export async function startBroker(): Promise<Broker> {
  const broker = await Aedes.createBroker()
  const http = createServer()
  new WebSocketServer({ server: http }).on('connection', socket => {
    const stream = createWebSocketStream(socket)
    stream.on('error', () => {}) // a client that went without a word
    broker.handle(stream, undefined)
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  return {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      await new Promise<void>(resolve => broker.close(() => resolve()))
      http.close()
      http.closeAllConnections()
    },
  }
}
