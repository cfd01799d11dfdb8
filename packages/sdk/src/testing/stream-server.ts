import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

/** A response that the server of a test is writing. */
export interface OpenResponse {
  readonly request: IncomingMessage
  /** Of the request. */
  readonly body: string
  readonly response: ServerResponse
  /** Resolves when the connection was lost, or the response has been written. */
  readonly closed: Promise<void>
}

export interface StreamServer extends AsyncDisposable {
  readonly url: string
  /** The next request, once its body has come. */
  next(): Promise<OpenResponse>
}

/** A server whose responses a test writes by hand. */
export async function startStreamServer(): Promise<StreamServer> {
  const ready: OpenResponse[] = []
  const waiting: ((open: OpenResponse) => void)[] = []
  const sockets = new Set<Socket>()
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    const closed = new Promise<void>(resolve => void response.on('close', resolve))
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const open = { request, response, closed, body: Buffer.concat(chunks).toString() }
      const taker = waiting.shift()
      if (taker) taker(open)
      else ready.push(open)
    })
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    next: () => {
      const open = ready.shift()
      return open ? Promise.resolve(open) : new Promise(resolve => void waiting.push(resolve))
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>(resolve => {
        server.close(() => resolve())
      })
    },
  }
}
