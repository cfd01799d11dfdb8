import { once } from 'node:events'
import { createServer as createHttpServer, type IncomingHttpHeaders } from 'node:http'
import { createServer as createHttpsServer, type ServerOptions } from 'node:https'
import { type PerMessageDeflateOptions, WebSocketServer } from 'ws'

export interface EchoServer extends AsyncDisposable {
  readonly port: number
  /** Headers of each upgrade request, in order. */
  readonly handshakes: { readonly url: string; readonly headers: IncomingHttpHeaders }[]
  readonly sockets: WebSocketServer
}

/** HTTP: answers method, URL and body as JSON. WebSocket: echoes each message. With `tls`, both over TLS. */
export async function echoServer(
  options: { tls?: ServerOptions; perMessageDeflate?: boolean | PerMessageDeflateOptions } = {},
): Promise<EchoServer> {
  const server = options.tls ? createHttpsServer(options.tls) : createHttpServer()
  server.on('request', async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.end(JSON.stringify({ method: request.method, url: request.url, host: request.headers.host, body }))
  })
  const handshakes: EchoServer['handshakes'] = []
  const sockets = new WebSocketServer({ server, perMessageDeflate: options.perMessageDeflate ?? false })
  sockets.on('connection', (socket, request) => {
    handshakes.push({ url: request.url ?? '', headers: request.headers })
    socket.on('error', () => {})
    socket.on('message', (data, binary) => socket.send(data, { binary }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    handshakes,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
