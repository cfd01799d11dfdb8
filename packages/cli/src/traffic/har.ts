import type { Connection, Exchange, ExchangeResponse, Message } from '@midwire/proxy'
import { answerOf, headerPairs, showBody } from './content.ts'
import type { Disclosure } from './disclosure.ts'

/** A name and its value, as HAR has them everywhere. */
export interface HarPair {
  readonly name: string
  readonly value: string
}

/** One message of a WebSocket, as Chrome exports it: `time` in seconds since 1970, binary data in base64. */
export interface HarMessage {
  readonly type: 'send' | 'receive'
  readonly time: number
  readonly opcode: 1 | 2
  readonly data: string
}

/** What entries are made with. */
export interface HarContext {
  readonly disclosure: Disclosure
  /** When the proxy started, in ms since 1970. */
  readonly startedAt: number
}

/** An exchange as an entry of HAR 1.2. */
export function exchangeEntry(exchange: Exchange, { disclosure, startedAt }: HarContext): object {
  const response = answerOf(exchange)
  const { at, endedAt, version } = exchange
  const over = endedAt ?? response?.at ?? at
  const httpVersion = version === '2' ? 'HTTP/2.0' : `HTTP/${version}`
  const body = exchange.requestBytes === 0 ? undefined : showBody(exchange.body, disclosure)
  return {
    startedDateTime: iso(startedAt + at),
    time: over - at,
    request: {
      method: exchange.method,
      ...requestParts(exchange.url, exchange.rawHeaders, disclosure),
      httpVersion,
      headersSize: -1,
      bodySize: exchange.requestBytes,
      ...(body && {
        postData: {
          mimeType: String(exchange.headers['content-type'] ?? ''),
          text: body.text,
          ...(body.encoding && { comment: 'base64' }),
        },
      }),
    },
    response: { ...responsePart(response, exchange.responseBytes, disclosure), httpVersion, ...failed(exchange.failure) },
    cache: {},
    timings: { send: 0, wait: (response?.at ?? over) - at, receive: over - (response?.at ?? over) },
    ...(exchange.decidedBy !== undefined && { comment: `${exchange.decision ?? 'decided'} by ${exchange.decidedBy}` }),
  }
}

/** A WebSocket as an entry of HAR 1.2, with what Chrome adds: `_webSocketMessages`. */
export function webSocketEntry(
  connection: Connection,
  {
    messages,
    refusal,
    overAt,
  }: { readonly messages: readonly HarMessage[]; readonly refusal?: Refusal | undefined; readonly overAt: number },
  { disclosure, startedAt }: HarContext,
): object {
  const { at, protocol } = connection
  const accepted = [
    { name: 'Upgrade', value: 'websocket' },
    { name: 'Connection', value: 'Upgrade' },
    ...(protocol === '' ? [] : [{ name: 'Sec-WebSocket-Protocol', value: disclosure.header('Sec-WebSocket-Protocol', protocol) }]),
  ]
  return {
    startedDateTime: iso(startedAt + at),
    time: overAt - at,
    request: {
      method: 'GET',
      ...requestParts(connection.url, connection.rawHeaders, disclosure),
      httpVersion: 'HTTP/1.1',
      headersSize: -1,
      bodySize: 0,
    },
    response: {
      status: refusal ? (refusal.status ?? 0) : 101,
      statusText: refusal ? '' : 'Switching Protocols',
      cookies: [],
      headers: refusal ? [] : accepted,
      content: { size: 0, mimeType: 'x-unknown' },
      redirectURL: '',
      httpVersion: 'HTTP/1.1',
      headersSize: -1,
      bodySize: -1,
      ...failed(refusal?.text),
    },
    cache: {},
    timings: { send: 0, wait: 0, receive: overAt - at },
    _resourceType: 'websocket',
    _webSocketMessages: messages,
  }
}

/** How a handshake came to another end than a 101. */
export interface Refusal {
  readonly status: number | undefined
  readonly text: string
}

export function harMessage(message: Message, { disclosure, startedAt }: HarContext): HarMessage {
  const { binary, bytes, from, at } = message
  return {
    type: from === 'client' ? 'send' : 'receive',
    time: (startedAt + at) / 1000,
    opcode: binary ? 2 : 1,
    data: binary ? Buffer.from(bytes).toString('base64') : disclosure.text(message.text),
  }
}

function requestParts(url: string, rawHeaders: readonly string[], disclosure: Disclosure): object {
  const headers = headerPairs(rawHeaders, disclosure)
  const shown = disclosure.url(url)
  const cookies = headers.filter(([name]) => /^cookie$/i.test(name)).flatMap(([, value]) => value.split(/;\s*/).map(cookie))
  return { url: shown, cookies, headers: headers.map(pair), queryString: queryOf(shown) }
}

function responsePart(response: ExchangeResponse | undefined, bytes: number, disclosure: Disclosure): object {
  const headers = headerPairs(response?.rawHeaders ?? [], disclosure)
  const body = response && showBody(response.body, disclosure)
  const valueOf = (wanted: string): string => headers.find(([name]) => name.toLowerCase() === wanted)?.[1] ?? ''
  return {
    status: response?.status ?? 0,
    statusText: response?.statusText ?? '',
    cookies: headers.filter(([name]) => /^set-cookie$/i.test(name)).map(([, value]) => cookie(value.split(';', 1)[0] ?? '')),
    headers: headers.map(pair),
    content: {
      size: response?.body?.length ?? bytes,
      mimeType: valueOf('content-type') || 'x-unknown',
      ...body,
      ...(response?.lack !== undefined && { comment: response.lack }),
    },
    redirectURL: valueOf('location'),
    headersSize: -1,
    bodySize: bytes,
  }
}

function failed(text: string | undefined): object {
  return text === undefined ? {} : { _error: text }
}

function pair([name, value]: readonly [string, string]): HarPair {
  return { name, value }
}

function cookie(text: string): HarPair {
  const at = text.indexOf('=')
  return at < 0 ? { name: text, value: '' } : { name: text.slice(0, at), value: text.slice(at + 1) }
}

/** As it stands in the URL: what was written twice or without a value is there. */
function queryOf(url: string): HarPair[] {
  return URL.canParse(url) ? [...new URL(url).searchParams].map(pair) : []
}

function iso(at: number): string {
  return new Date(at).toISOString()
}
