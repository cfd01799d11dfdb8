import type { Connection, Exchange, ExchangeResponse, TrafficEvent } from '@midwire/proxy'
import { answerOf, headerPairs, showBody } from './content.ts'
import type { Disclosure } from './disclosure.ts'
import type { TrafficView, Tunnel } from './follow-traffic.ts'
import { OutputFile } from './output-file.ts'

export interface JsonlOptions {
  readonly disclosure: Disclosure
  /** When the proxy started, in ms since 1970. */
  readonly startedAt: number
  /** ms since the proxy started. */
  readonly now: () => number
}

/** Writes a line of JSON for each exchange, WebSocket, message and control frame, when it has come. */
export class JsonlView implements TrafficView {
  readonly #file: OutputFile
  readonly #options: JsonlOptions

  /** @throws UsageError if the file cannot be written */
  constructor(path: string, options: JsonlOptions) {
    this.#options = options
    this.#file = new OutputFile(path)
  }

  event(event: TrafficEvent): void {
    const { disclosure } = this.#options
    switch (event.kind) {
      case 'tcp':
        return
      case 'connection': {
        const { id, url, protocol, rawHeaders, transport } = event.connection
        const facts = { connection: id, transport, url: disclosure.url(url), protocol, headers: headerPairs(rawHeaders, disclosure) }
        return this.#write('open', event.at, facts)
      }
      case 'refused':
        return this.#write('refused', event.at, {
          connection: event.connection.id,
          url: disclosure.url(event.connection.url),
          ...(event.status !== undefined && { status: event.status }),
          text: event.text,
        })
      case 'message': {
        const { message, from, connection } = event
        const { binary, undecodable, decidedBy, verdict } = message
        if (message.evicted) return
        const isValue = undecodable === undefined && !(message.value instanceof Uint8Array)
        return this.#write('message', event.at, {
          connection: connection.id,
          from,
          ...(binary
            ? { type: 'binary', data: Buffer.from(message.bytes).toString('base64') }
            : { type: 'text', data: disclosure.text(message.text) }),
          ...(isValue && { value: disclosure.value(message.value) }),
          ...(decidedBy !== undefined && { verdict: verdict?.kind, decidedBy }),
        })
      }
      case 'ping':
      case 'pong':
        return this.#write(event.kind, event.at, {
          connection: event.connection.id,
          from: event.from,
          data: Buffer.from(event.payload).toString('base64'),
        })
      case 'close':
        return this.#write('close', event.at, { connection: event.connection.id, from: event.from, code: event.code, reason: event.reason })
      case 'terminated':
        return this.#write('terminated', event.at, { connection: event.connection.id, how: event.how })
      case 'injected':
        return this.#write('injected', event.at, { connection: event.connection.id, to: event.to, text: event.what })
      case 'note':
        return this.#write('note', event.at, { ...(event.connection && { connection: event.connection.id }), text: event.text })
      case 'handshake':
      case 'end':
      case 'tunnel':
      case 'request':
      case 'response':
        return
    }
  }

  exchangeOver(exchange: Exchange): void {
    const { disclosure } = this.#options
    const { id, version, method, url, rawHeaders, requestBytes, responseBytes, failure, decision, decidedBy, at, endedAt } = exchange
    const response = answerOf(exchange)
    const body = requestBytes === 0 ? undefined : showBody(exchange.body, disclosure)
    this.#write('exchange', at, {
      exchange: id,
      version,
      method,
      url: disclosure.url(url),
      ...(endedAt !== undefined && { duration: endedAt - at }),
      request: { headers: headerPairs(rawHeaders, disclosure), bytes: requestBytes, ...(body && { body }) },
      ...(response && { response: this.#response(response, responseBytes) }),
      ...(failure !== undefined && { failure }),
      ...(decidedBy !== undefined && { decision, decidedBy }),
    })
  }

  connectionOver(connection: Connection): void {
    this.#write('over', this.#options.now(), { connection: connection.id })
  }

  tunnelOver({ host, port, at, endedAt, bytesFrom }: Tunnel): void {
    this.#write('tunnel', at, { host, port, bytesFrom, ...(endedAt !== undefined && { duration: endedAt - at }) })
  }

  close(): void {
    this.#file.close()
  }

  #response(response: ExchangeResponse, bytes: number): object {
    const { disclosure } = this.#options
    const body = bytes === 0 ? undefined : showBody(response.body, disclosure)
    const { status, statusText, rawHeaders } = response
    return { status, statusText, headers: headerPairs(rawHeaders, disclosure), bytes, ...(body && { body }) }
  }

  #write(kind: string, at: number, facts: object): void {
    const line = { kind, time: new Date(this.#options.startedAt + at).toISOString(), ...facts }
    this.#file.write(`${JSON.stringify(line, plain)}\n`)
  }
}

/** Values of codecs that JSON has no word for. */
function plain(this: unknown, key: string, value: unknown): unknown {
  // Buffers have turned themselves into something else by now.
  const own = (this as Record<string, unknown>)[key]
  if (own instanceof Uint8Array) return Buffer.from(own).toString('base64')
  if (typeof own === 'bigint') return String(own)
  if (own instanceof Map) return Object.fromEntries(own as Map<string, unknown>)
  return value
}
