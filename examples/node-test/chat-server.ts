import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { ChatMessage } from './chat-client.ts'

/** A real server on loopback that acknowledges whatever is said. */
export async function startChatServer(): Promise<AsyncDisposable & { readonly url: string }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(server, 'listening')
  server.on('connection', socket => {
    socket.on('message', data => {
      const message = JSON.parse(String(data)) as ChatMessage
      if (message.type === 'say') socket.send(JSON.stringify({ type: 'ack', id: message.id } satisfies ChatMessage))
    })
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate()
      await new Promise<void>(resolve => server.close(() => resolve()))
    },
  }
}
