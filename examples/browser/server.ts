import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { WebSocketServer } from 'ws'

const page = readFileSync(join(import.meta.dirname, 'page.html'))

export interface NewsServer extends AsyncDisposable {
  readonly url: string
  /** Messages that it has got, by its own account. */
  readonly got: readonly string[]
}

/** Serves the page, acknowledges messages, and tells whoever listens the three events that he does not know yet. */
export async function startServer(): Promise<NewsServer> {
  const got: string[] = []
  const http = createServer((request, response) => {
    const { url = '/' } = request
    switch (url) {
      case '/':
        return response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(page)
      case '/items':
        return response.writeHead(200, { 'content-type': 'application/json' }).end('["one","two"]')
      case '/feed':
        return feed(response, Number(request.headers['last-event-id'] ?? 0))
      default:
        return response.writeHead(404).end()
    }
  })
  const sockets = new WebSocketServer({ server: http, path: '/socket' })
  sockets.on('connection', socket => {
    socket.on('message', data => {
      got.push(String(data))
      socket.send('{"action":"ACK"}')
    })
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    got,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate()
      http.closeAllConnections()
      await new Promise(resolve => http.close(resolve))
    },
  }
}

function feed(response: ServerResponse, last: number): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.write('retry: 10\n\n')
  for (let n = last + 1; n <= 3; n++) response.write(`id: ${n}\ndata: {"n":${n}}\n\n`)
}
