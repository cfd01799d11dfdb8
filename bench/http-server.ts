import type { IncomingMessage, ServerResponse } from 'node:http'
import { pour } from './server.ts'
import { payloadOf } from './wire.ts'

const chunk = Buffer.alloc(65_536, 'x')
const answer = payloadOf(64)

/**
 * Answers what the HTTP cases ask: `/json` with 64 bytes, `/download?size=` with so many, `/upload` with 64 bytes once the whole body has
 * come, `/first` with a head and one chunk at once and its end behind them.
 */
export function answerRequest(request: IncomingMessage, response: ServerResponse): void {
  response.sendDate = false
  const url = new URL(request.url!, 'http://localhost')
  switch (url.pathname) {
    case '/json':
    case '/upload':
      request.resume()
      request.on('end', () => response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': answer.length }).end(answer))
      return
    case '/download': {
      const size = Number(url.searchParams.get('size'))
      response.writeHead(200, { 'Content-Type': 'application/octet-stream', 'Content-Length': size })
      void pour(response, chunk, chunk, size / chunk.length).then(() => response.end())
      return
    }
    case '/first':
      response.writeHead(200, { 'Content-Type': 'text/event-stream' })
      response.write('data: first\n\n')
      setImmediate(() => response.end())
      return
    default:
      response.writeHead(426).end()
  }
}
