import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { Agent } from 'undici'
import { at, type Middle } from '../middle.ts'

/** A `node:http` server that hands each request to undici and pipes the answer back, which is how a forwarder is written in ten lines. */
export const httpForwarder: Middle = {
  name: 'node:http + undici',
  async start(upstream) {
    const { key, cert } = upstream.certificate
    const isTls = upstream.url.startsWith('wss:')
    const origin = upstream.url.replace(/^ws/, 'http')
    const agent = new Agent({ connect: { ca: upstream.authority.cert, allowH2: false } })
    const forward = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const { host: _, ...headers } = request.headers
      const hasBody = request.method !== 'GET'
      const answer = await agent.request({
        origin,
        path: request.url!,
        method: request.method as 'GET',
        headers,
        body: hasBody ? request : null,
      })
      response.writeHead(answer.statusCode, answer.headers)
      answer.body.pipe(response)
    }
    const relay = (request: IncomingMessage, response: ServerResponse): void => {
      forward(request, response).catch(() => response.destroy())
    }
    const server = isTls ? createTlsServer({ key, cert }, relay) : createServer(relay)
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1024 })
    await once(server, 'listening')
    return {
      url: at(upstream.url, (server.address() as AddressInfo).port),
      async stop() {
        server.closeAllConnections()
        server.close()
        await Promise.all([once(server, 'close'), agent.destroy()])
      },
    }
  },
}
