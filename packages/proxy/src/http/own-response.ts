import { STATUS_CODES } from 'node:http'
import { Readable } from 'node:stream'
import type { ReadableStream as NodeReadableStream } from 'node:stream/web'
import type { OwnResponse } from '../rule/request-rule.ts'
import { pour } from './pour.ts'
import { fieldOf, hasMember } from './raw-headers.ts'
import type { ClientSide, ResponseHead } from './sides.ts'

/** Fields that HTTP/2 has no place for (RFC 9113 §8.2.2). */
const ofConnections = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'])

/** Is told of a body that comes as a stream. */
export interface BodyWatcher {
  readonly onChunk: (chunk: Buffer) => void
  readonly onEnd: () => void
  readonly onBreak: () => void
}

/** Writes a response of our own, framed as its request and version want it; what the test said about its framing stays. */
export function writeOwn(client: ClientSide, response: OwnResponse, watcher: BodyWatcher): ResponseHead {
  const { status, statusText = client.version === '2' ? '' : (STATUS_CODES[status] ?? ''), body } = response
  const rawHeaders = framed(client, response)
  const { trailers = [] } = response
  // HTTP/2 then says all in one frame, which is how gRPC ends a call that has no messages.
  const endsStream = body instanceof Uint8Array && body.length === 0 && trailers.length === 0
  const head = { status, statusText, rawHeaders, endsStream }
  const isLast = client.version !== '2' && endsConnection(client, rawHeaders)
  const to = client.respond(head, isLast)
  client.addTrailers(trailers)
  if (!hasContent(client, status)) {
    to.end()
    if (!(body instanceof Uint8Array)) void body.cancel().catch(() => {})
    watcher.onEnd()
  } else if (body instanceof Uint8Array) {
    to.end(body)
  } else {
    const from = Readable.fromWeb(body as NodeReadableStream)
    from.on('error', watcher.onBreak)
    to.on('close', () => from.destroy())
    pour(from, to, {
      onChunk: watcher.onChunk,
      onEnd: () => {
        watcher.onEnd()
        to.end()
      },
    })
  }
  return head
}

/** RFC 9110 §6.4.1: what has no content, whatever its head says. */
function hasContent({ head }: ClientSide, status: number): boolean {
  return head.method !== 'HEAD' && status >= 200 && status !== 204 && status !== 304
}

function framed({ version }: ClientSide, { status, headers, body, trailers = [] }: OwnResponse): readonly string[] {
  if (version === '2') {
    const kept = headers.filter((_, n) => !ofConnections.has((headers[n - (n % 2)] ?? '').toLowerCase()))
    return body instanceof Uint8Array && !isFramed(kept) && status !== 204 && status !== 304
      ? [...kept, 'content-length', String(body.length)]
      : kept
  }
  if (isFramed(headers) || status < 200 || status === 204 || status === 304) return headers
  // Trailers stand behind chunks only (RFC 9112 §7.1.2).
  const isCounted = body instanceof Uint8Array && (trailers.length === 0 || version === '1.0')
  if (isCounted) return [...headers, 'Content-Length', String(body.length)]
  return version === '1.0' ? headers : [...headers, 'Transfer-Encoding', 'chunked']
}

function isFramed(rawHeaders: readonly string[]): boolean {
  return fieldOf(rawHeaders, 'content-length') !== undefined || fieldOf(rawHeaders, 'transfer-encoding') !== undefined
}

/** RFC 9112 §9.3: it says so, or its client persists only where told to. Node ends it, too, behind a body without framing (§6.3). */
function endsConnection({ version }: ClientSide, rawHeaders: readonly string[]): boolean {
  return hasMember(rawHeaders, 'connection', 'close') || (version === '1.0' && !hasMember(rawHeaders, 'connection', 'keep-alive'))
}
