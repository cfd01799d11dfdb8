import type { IncomingMessage, ServerResponse } from 'node:http'
import { json as bodyOf } from 'node:stream/consumers'
import { named, numbered, type ProtocolMessage } from '../protocol-message.ts'
import type { Hub } from './hub.ts'
import type { Carrier } from './session.ts'

/** Serves connections over HTTP: a response that streams an array of protocol messages a line, and requests that send such arrays. */
export async function serveComet(hub: Hub, request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const [, , connectionKey = '', step] = url.pathname.split('/')
  if (connectionKey === 'connect') {
    const carrier = streamOver(response)
    const session = hub.connect(url.searchParams, carrier)
    response.once('close', () => session?.lose(carrier))
    return
  }
  const session = hub.session(decodeURIComponent(connectionKey))
  const messages = step === 'send' ? ((await bodyOf(request)) as unknown[]).map(named) : []
  if (step === 'close') messages.push({ action: 'CLOSE' })
  if (step === 'disconnect') messages.push({ action: 'DISCONNECT' })
  response.writeHead(204).end()
  // What they are answered with comes over the stream.
  for (const message of messages) session?.receive(message)
}

function streamOver(response: ServerResponse): Carrier {
  response.writeHead(200, { 'Content-Type': 'application/json' }).flushHeaders()
  return {
    send: (message: ProtocolMessage) => response.write(`${JSON.stringify([numbered(message)])}\n`),
    end: () => response.end(),
  }
}
