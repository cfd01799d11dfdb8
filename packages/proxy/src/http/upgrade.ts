import type { IncomingMessage } from 'node:http'
import type { Leg } from '../io/leg.ts'
import { type ExactResponse, versionOf } from './exact.ts'
import { addTrailers } from './outgoing.ts'
import { headerLines } from './raw-headers.ts'
import type { UpstreamLink } from './upstream-link.ts'

/** How upstream answered an upgrade request. */
export type UpgradeAnswer =
  /** It switched protocols: `head` are bytes that came behind its 101. */
  | { readonly kind: 'switched'; readonly response: IncomingMessage; readonly head: Buffer }
  /** It did not: an ordinary response, still to be read. */
  | { readonly kind: 'refused'; readonly response: IncomingMessage }
  /** It ended without an answer. */
  | { readonly kind: 'failed'; readonly error: Error }

/** Sends an upgrade request to upstream and tells how it was answered. */
export function askToUpgrade(
  request: IncomingMessage,
  target: string,
  headers: readonly string[],
  link: UpstreamLink,
): Promise<UpgradeAnswer> {
  return new Promise(resolve => {
    const onward = link.request(request.method ?? 'GET', target, headers, versionOf(request.httpVersion))
    onward.on('upgrade', (response, _socket, head) => resolve({ kind: 'switched', response, head }))
    onward.on('response', response => resolve({ kind: 'refused', response }))
    onward.on('error', error => resolve({ kind: 'failed', error }))
    onward.end()
  })
}

/** Writes a 101 as upstream gave it (RFC 6455 §4.2.2). */
export function writeSwitch(client: Leg, response: IncomingMessage, rawHeaders: readonly string[]): void {
  const head = `HTTP/${response.httpVersion} 101 ${response.statusMessage ?? ''}\r\n${headerLines(rawHeaders)}\r\n`
  client.stream.write(Buffer.from(head, 'latin1'))
}

/** Relays the ordinary response to an upgrade request, and then ends the connection if either side said so. */
export function relayRefusal(answer: IncomingMessage, response: ExactResponse): Promise<void> {
  return new Promise(resolve => {
    response.on('close', resolve)
    response.on('finish', resolve)
    answer.on('error', () => response.destroy())
    response.sendDate = false
    response.version = versionOf(answer.httpVersion)
    response.writeHead(answer.statusCode ?? 0, answer.statusMessage ?? '', answer.rawHeaders)
    response.flushHeaders()
    answer.pipe(response, { end: false })
    answer.on('end', () => {
      addTrailers(response, answer.rawTrailers)
      response.end()
    })
  })
}

/** True for a request that wants to become a WebSocket (RFC 6455 §4.2.1), whatever else it offers. */
export function isWebSocket(request: IncomingMessage): boolean {
  const protocols = (request.headers.upgrade ?? '').split(',').map(token => token.trim().toLowerCase())
  return protocols.includes('websocket') && request.headers['sec-websocket-key'] !== undefined
}
