import type { Closing, Connection, Exchange, ExchangeResponse, Message, TrafficEvent } from '@midwire/sdk'
import { toJson } from './json-value.ts'

/** A payload in a form that JSON has: text as it is, bytes as Base64. */
export interface WireData {
  readonly type: 'text' | 'binary'
  readonly data: string
}

export function connectionIDOf({ id }: Connection): string {
  return String(id)
}

/** Unique over all connections and both directions. */
export function messageIDOf({ connection, from, index }: Message): string {
  return `${connection.id}-${from}-${index + 1}`
}

export function dataOf(bytes: Uint8Array, binary: boolean): WireData {
  return binary ? { type: 'binary', data: base64(bytes) } : { type: 'text', data: Buffer.from(bytes).toString('utf8') }
}

export function connectionJson(connection: Connection): object {
  const { attempt, transport, host, port, url, path, query, headers, protocol, state, at } = connection
  const connectionID = connectionIDOf(connection)
  return { connectionID, attempt, transport, host, port, url, path, query, headers, protocol, state, at }
}

export function messageJson(message: Message): object {
  const { connection, from, index, at, seq, verdict, decidedBy, binary, delivered } = message
  const head = { id: messageIDOf(message), connectionID: connectionIDOf(connection), from, index, at, seq }
  const fate = {
    ...(verdict && { verdict: verdict.kind }),
    ...(decidedBy !== undefined && { decidedBy }),
    settled: message.settled,
    ...(delivered && { delivered: dataOf(delivered, binary) }),
  }
  if (message.evicted) return { ...head, evicted: true, ...fate }
  const { undecodable } = message
  const content = undecodable === undefined ? { value: toJson(message.value) } : { undecodable }
  return { ...head, ...dataOf(message.bytes, binary), ...content, ...fate }
}

export function exchangeJson(exchange: Exchange): object {
  const { id, version, method, url, host, port, path, query, headers, at } = exchange
  const { response, delivered, decidedBy, decision, endedAt, failure, requestBytes, responseBytes } = exchange
  return {
    ...{ requestID: String(id), version, method, url, host, port, path, query, headers, at, ...bodyJson(exchange) },
    ...(response && { response: responseJson(response) }),
    ...(delivered && delivered !== response && { delivered: responseJson(delivered) }),
    ...(decidedBy !== undefined && { decidedBy }),
    ...(decision !== undefined && { decision }),
    ...(endedAt !== undefined && { endedAt }),
    ...(failure !== undefined && { failure }),
    requestBytes,
    responseBytes,
  }
}

/** `from` is absent where Midwire itself ended it. */
export function closingJson({ connection, from, code, reason }: Omit<Closing, 'at' | 'seq'>): object {
  return { connectionID: connectionIDOf(connection), ...(from && { from }), code, reason }
}

/** One line of the journal. */
export function eventJson(event: TrafficEvent): object {
  const { seq, at, kind } = event
  const head = { seq, at, kind }
  switch (event.kind) {
    case 'tcp':
      return { ...head, host: event.host, port: event.port, outcome: event.outcome() }
    case 'handshake':
    case 'connection':
      return { ...head, connection: connectionJson(event.connection) }
    case 'refused': {
      const { connection, status, text } = event
      return { ...head, connection: connectionJson(connection), ...(status !== undefined && { status }), text }
    }
    case 'message':
      return { ...head, message: messageJson(event.message) }
    case 'ping':
    case 'pong':
      return { ...head, connectionID: connectionIDOf(event.connection), from: event.from, payload: base64(event.payload) }
    case 'close':
      return { ...head, ...closingJson(event) }
    case 'end':
      return { ...head, connectionID: connectionIDOf(event.connection), from: event.from, how: event.how }
    case 'terminated':
      return { ...head, connectionID: connectionIDOf(event.connection), how: event.how }
    case 'injected':
      return { ...head, connectionID: connectionIDOf(event.connection), to: event.to, what: event.what, payload: base64(event.bytes) }
    case 'request':
    case 'response':
      return { ...head, exchange: exchangeJson(event.exchange) }
    case 'tunnel': {
      const { host, port, bytesFrom } = event.tunnel
      return { ...head, host, port, bytesFrom }
    }
    case 'note':
      return { ...head, ...(event.connection && { connectionID: connectionIDOf(event.connection) }), text: event.text }
  }
}

function responseJson(response: ExchangeResponse): object {
  const { status, statusText, headers } = response
  return { status, statusText, headers, ...bodyJson(response) }
}

function bodyJson({ body, text, complete, lack }: ExchangeResponse | Exchange): object {
  if (body === undefined) return { complete, ...(lack !== undefined && { lack }) }
  const isText = text !== undefined && !text.includes('\u{fffd}')
  return { body: isText ? { type: 'text', data: text } : { type: 'binary', data: base64(body) }, complete }
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}
