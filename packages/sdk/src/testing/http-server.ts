import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { text } from 'node:stream/consumers'

/** A request as the server got it. */
export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A real HTTP server on loopback: remembers what it is asked, and answers each request with itself as JSON, status 201 to a POST. */
export interface RecordingServer extends AsyncDisposable {
  readonly url: string
  /** Those that came whole, in order. */
  readonly requests: readonly SeenRequest[]
}

export async function startRecordingServer(): Promise<RecordingServer> {
  const requests: SeenRequest[] = []
  const server = createServer(async (request, response) => {
    const { method = '', url = '', headers } = request
    const body = await text(request).catch(() => undefined)
    if (body === undefined) return
    requests.push({ method, url, headers, body })
    response.writeHead(method === 'POST' ? 201 : 200, { 'Content-Type': 'application/json', 'X-Server': 'real' })
    response.end(JSON.stringify({ method, url, body }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    url: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}
