import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import type { ExchangeRecord } from './exchange-record.ts'
import type { UpstreamLink } from './upstream-link.ts'

/** How an exchange tells of itself; each is called at most once. */
export interface ExchangeObserver {
  onResponse(response: IncomingMessage): void
  /** `failure` says in a few words why it did not run to its end. */
  onEnd(failure: string | undefined): void
}

/** One request, its relay, and the response, streamed both ways with back-pressure; heads leave as they came. */
export function relayExchange(
  request: IncomingMessage,
  response: ServerResponse,
  target: string,
  headers: readonly string[],
  link: UpstreamLink,
  record: ExchangeRecord | undefined,
  observer: ExchangeObserver,
): void {
  const onward = link.request(request.method ?? 'GET', target, headers)
  let settled = false
  const settle = (failure?: string): void => {
    if (settled) return
    settled = true
    observer.onEnd(failure)
  }

  if (record) request.on('data', (chunk: Buffer) => (record.requestBytes += chunk.length))
  request.pipe(onward, { end: false })
  request.on('end', () => {
    addTrailers(onward, request.rawTrailers)
    onward.end()
  })

  onward.on('continue', () => response.writeContinue())
  onward.on('information', information => {
    if (information.statusCode === 100 || response.headersSent) return
    response.socket?.write(informationalHead(information.statusCode, information.statusMessage, information.rawHeaders))
  })
  let answered = false
  onward.on('response', answer => {
    answered = true
    observer.onResponse(answer)
    try {
      relayResponse(answer, response, record)
    } catch (error) {
      // Node reads heads that it refuses to write: a Trailer on a body without chunks, say.
      settle(`the response cannot be relayed: ${String(error)}`)
      response.destroy()
      return
    }
    answer.on('error', error => settle(`upstream ended in the middle of the response: ${error.message}`))
  })
  onward.on('error', error => settle(`upstream ended before the response: ${error.message}`))
  onward.on('close', () => {
    // Node drops a connection that switches protocols unasked, and calls that no error.
    if (!answered) settle('upstream ended the connection, or switched to a protocol that nobody asked for')
  })
  // The client may go before it has its answer; upstream must notice at once, as it would have.
  response.on('close', () => {
    if (response.writableFinished) return settle()
    settle('the client ended before the response did')
    onward.destroy()
    link.destroy()
  })
}

/** Writes a response as it came: status line, header list, body chunk by chunk, trailers. */
export function relayResponse(answer: IncomingMessage, response: ServerResponse, record: ExchangeRecord | undefined): void {
  response.sendDate = false
  response.writeHead(answer.statusCode ?? 0, answer.statusMessage ?? '', answer.rawHeaders)
  // A stream of events must not wait for its first byte to send its head.
  response.flushHeaders()
  if (record) answer.on('data', (chunk: Buffer) => (record.responseBytes += chunk.length))
  answer.pipe(response, { end: false })
  answer.on('end', () => {
    addTrailers(response, answer.rawTrailers)
    response.end()
  })
}

/** Head of an informational response (RFC 9110 §15.2), exactly as upstream sent it. */
function informationalHead(status: number, reason: string, rawHeaders: readonly string[]): Buffer {
  return Buffer.from(`HTTP/1.1 ${status} ${reason}\r\n${headerLines(rawHeaders)}\r\n`, 'latin1')
}

export function headerLines(rawHeaders: readonly string[]): string {
  let lines = ''
  for (let n = 0; n < rawHeaders.length; n += 2) lines += `${rawHeaders[n]}: ${rawHeaders[n + 1]}\r\n`
  return lines
}

function addTrailers(message: ClientRequest | ServerResponse, rawTrailers: readonly string[]): void {
  if (rawTrailers.length === 0) return
  const pairs: [string, string][] = []
  for (let n = 0; n < rawTrailers.length; n += 2) pairs.push([rawTrailers[n] ?? '', rawTrailers[n + 1] ?? ''])
  message.addTrailers(pairs)
}
