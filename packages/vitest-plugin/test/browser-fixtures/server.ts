import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestProject } from 'vitest/node'
import { WebSocketServer } from 'ws'

declare module 'vitest' {
  interface ProvidedContext {
    server: string
  }
}

/** Global set-up: a server that acknowledges messages, for the pages of the run. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const http = createServer((request, response) => {
    response.setHeader('access-control-allow-origin', '*')
    if (request.url !== '/feed') return response.setHeader('content-type', 'application/json').end('{"items":["one"]}')
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (const n of [1, 2, 3]) response.write(`data: {"n":${n}}\n\n`)
  })
  const sockets = new WebSocketServer({ server: http })
  sockets.on('connection', socket => {
    socket.send('{"action":"CONNECTED"}')
    socket.on('message', data => {
      const { id } = JSON.parse(String(data)) as { readonly id?: number }
      socket.send(JSON.stringify({ action: 'ACK', id }))
    })
  })
  await new Promise<void>(resolve => http.listen(0, '127.0.0.1', resolve))
  project.provide('server', `http://127.0.0.1:${(http.address() as AddressInfo).port}`)
  return async () => {
    for (const socket of sockets.clients) socket.terminate()
    http.closeAllConnections()
    await new Promise(resolve => http.close(resolve))
  }
}
