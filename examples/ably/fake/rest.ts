import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { errorOf, type Format, read, write, type WireMessage } from '../protocol-message.ts'
import type { Hub } from './hub.ts'

interface Answer {
  readonly status: number
  readonly body: unknown
}

/** Serves Ably's REST API, as far as clients under test use it. */
export async function serveRest(hub: Hub, request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
  const body = await buffer(request)
  const { status, body: value } = answer(hub, request, url, body)
  // Clients look for the type with nothing behind it.
  const format = formatOf(request.headers.accept)
  const type = typeof value === 'string' ? 'text/plain' : format === 'json' ? 'application/json' : 'application/x-msgpack'
  response.writeHead(status, { 'Content-Type': type }).end(typeof value === 'string' ? value : write(value, format))
}

function answer(hub: Hub, request: IncomingMessage, { pathname }: URL, body: Buffer): Answer {
  const [area, encoded = '', what] = pathname.slice(1).split('/')
  const name = decodeURIComponent(encoded)
  if (area === 'is-the-internet-up.txt') return { status: 200, body: 'yes' }
  if (area === 'time') return { status: 200, body: [Date.now()] }
  const content = body.length > 0 ? read(body, formatOf(request.headers['content-type'])) : undefined
  if (area === 'keys' && what === 'requestToken')
    return { status: 201, body: hub.access.issue(content as { clientId?: string; ttl?: number }) }
  const [scheme, credentials = ''] = (request.headers.authorization ?? '').split(' ')
  const secret = Buffer.from(credentials, 'base64').toString()
  const error = hub.access.problemWith(scheme === 'Bearer' ? { token: secret } : { key: secret })
  if (error) return { status: 401, body: { error } }
  const channel = hub.channel(name)
  if (area === 'channels' && what === 'messages' && request.method === 'POST') {
    const messages = (Array.isArray(content) ? content : [content]) as WireMessage[]
    const id = randomUUID().slice(0, 8)
    return { status: 201, body: { channel: name, messageId: id, serials: channel.publish(messages, { id }) } }
  }
  if (area === 'channels' && what === 'messages') return { status: 200, body: channel.messages.toReversed() }
  if (area === 'channels' && what === 'presence') return { status: 200, body: channel.members.map(member => ({ ...member, action: 1 })) }
  if (area === 'stats') return { status: 200, body: [] }
  return { status: 404, body: { error: errorOf(40400, `nothing at ${pathname}`) } }
}

function formatOf(type: string | undefined): Format {
  return type?.includes('msgpack') ? 'msgpack' : 'json'
}
