import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serveComet } from './comet.ts'
import { Hub, type HubOptions } from './hub.ts'
import { serveRealtime } from './realtime.ts'
import { serveRest } from './rest.ts'

export interface FakeAbly extends AsyncDisposable {
  /** Plain `http://127.0.0.1:port`; `route` leads Ably's hosts here, and TLS ends before. */
  readonly url: string
  readonly hub: Hub
}

/** Ably on loopback: connections over WebSocket and comet, and the REST API, all on one port. */
export async function startFakeAbly(options?: HubOptions): Promise<FakeAbly> {
  const hub = new Hub(options)
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://fake')
    const serve = url.pathname.startsWith('/comet/') ? serveComet : serveRest
    serve(hub, request, response, url).catch((error: Error) => response.destroy(error))
  })
  const sockets = serveRealtime(hub, server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hub,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets.clients) socket.terminate()
      sockets.close()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
