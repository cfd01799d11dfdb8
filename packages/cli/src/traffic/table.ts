import type { Connection, Exchange, Side, TrafficEvent } from '@midwire/proxy'
import type { styleText } from 'node:util'
import { answerOf, harmless, headerPairs, oneLine, preview, showBody, showMessage } from './content.ts'
import type { Disclosure } from './disclosure.ts'
import { duration, size, timeOfDay } from './figures.ts'
import type { TrafficView, Tunnel } from './follow-traffic.ts'

type Style = Parameters<typeof styleText>[0]

export interface TableOptions {
  /** Takes the lines, each with its line feed. */
  readonly write: (text: string) => void
  /** `(style, text) => text`: how a style is applied, if at all. */
  readonly paint: (style: Style, text: string) => string
  /** Characters of a line; `undefined`: lines are as long as they are. */
  readonly columns: () => number | undefined
  readonly disclosure: Disclosure
  readonly headers: boolean
  readonly bodies: boolean
  /** When the proxy started, in ms since 1970. */
  readonly startedAt: number
}

/** Characters of the body that `bodies` shows. */
const bodyLimit = 20_000

/** A line for each exchange, WebSocket, message and failed connect, as they come. */
export class Table implements TrafficView {
  readonly #options: TableOptions
  readonly #counts = new Map<Connection, Record<Side, { messages: number; bytes: number }>>()
  readonly #lastClose = new Map<Connection, string>()
  readonly #streaming = new Set<Exchange>()
  readonly #connects: Extract<TrafficEvent, { kind: 'tcp' }>[] = []
  #isBegun = false

  constructor(options: TableOptions) {
    this.#options = options
  }

  event(event: TrafficEvent): void {
    const { disclosure, paint } = this.#options
    this.#showFailedConnects()
    switch (event.kind) {
      case 'tcp':
        return void this.#connects.push(event)
      case 'response':
        // Its end may be far away.
        if (/^text\/event-stream\b/i.test(String(event.exchange.response?.headers['content-type'] ?? ''))) {
          this.#streaming.add(event.exchange)
          this.#exchange(event.exchange, 'open')
        }
        return
      case 'connection': {
        if (event.connection.transport !== 'websocket') return
        this.#counts.set(event.connection, { client: { messages: 0, bytes: 0 }, server: { messages: 0, bytes: 0 } })
        this.#row(event.at, 'WS', this.#named(event.connection), '101', '', 'open')
        if (this.#options.headers) this.#headers('>', event.connection.rawHeaders)
        return
      }
      case 'refused':
        return this.#row(
          event.at,
          'WS',
          this.#named(event.connection),
          event.status === undefined ? 'failed' : String(event.status),
          '',
          event.text,
        )
      case 'message': {
        const { message, from, connection } = event
        const count = this.#counts.get(connection)?.[from]
        if (count) count.messages++
        if (count && !message.evicted) count.bytes += message.bytes.length
        const kind = message.binary ? 'binary' : 'text'
        const fate = message.decidedBy === undefined ? '' : paint('yellow', `  ${message.verdict?.kind ?? 'held'} by ${message.decidedBy}`)
        const shown = showMessage(message, disclosure)
        return this.#detail(event.at, from, connection, `${kind} ${message.evicted ? '' : size(message.bytes.length)}`, shown, fate)
      }
      case 'ping':
      case 'pong':
        return this.#detail(event.at, event.from, event.connection, event.kind, preview(event.payload, disclosure), '')
      case 'close': {
        const text = `${event.code === 1005 ? 'close' : `close ${event.code}`}${event.reason === '' ? '' : ` ${oneLine(event.reason)}`}`
        if (!this.#lastClose.has(event.connection)) this.#lastClose.set(event.connection, text)
        return this.#detail(event.at, event.from, event.connection, text, '', '')
      }
      case 'terminated':
        this.#lastClose.set(event.connection, event.how === 'rst' ? 'reset by Midwire' : 'ended by Midwire')
        return
      case 'injected':
        return this.#line(event.at, `${paint('yellow', `  * #${event.connection.id}`)} ${oneLine(event.what)}`)
      case 'note':
        return this.#line(event.at, paint('yellow', `  ! ${event.connection ? `#${event.connection.id} ` : ''}${oneLine(event.text)}`))
      case 'handshake':
      case 'request':
      case 'end':
      case 'tunnel':
        return
    }
  }

  exchangeOver(exchange: Exchange): void {
    this.#exchange(exchange, exchange.endedAt === undefined ? 'not ended' : duration(exchange.endedAt - exchange.at))
    const { disclosure, headers, bodies } = this.#options
    const response = answerOf(exchange)
    if (headers) this.#headers('>', exchange.rawHeaders)
    if (bodies) this.#body('>', exchange.requestBytes === 0 ? undefined : showBody(exchange.body, disclosure), exchange.lack)
    if (headers && response) this.#headers('<', response.rawHeaders)
    if (bodies && response && exchange.method !== 'HEAD') this.#body('<', showBody(response.body, disclosure), response.lack)
  }

  connectionOver(connection: Connection): void {
    const counts = this.#counts.get(connection)
    if (!counts) return
    const { client, server } = counts
    const text = this.#lastClose.get(connection) ?? 'ended without a close frame'
    const sum = `${client.messages} up, ${server.messages} down, ${size(client.bytes + server.bytes)}`
    this.#line(Date.now() - this.#options.startedAt, `${this.#options.paint('magenta', `  = #${connection.id}`)} ${text}: ${sum}`)
  }

  tunnelOver({ host, port, at, endedAt, bytesFrom }: Tunnel): void {
    const end = endedAt === undefined ? 'not ended' : duration(endedAt - at)
    this.#row(at, 'TUNNEL', `${host}:${port}`, '', size(bytesFrom.client + bytesFrom.server), end)
  }

  close(): void {
    this.#showFailedConnects()
  }

  #exchange(exchange: Exchange, end: string): void {
    const { paint } = this.#options
    const { method, url, failure, decidedBy, responseBytes } = exchange
    const status = answerOf(exchange)?.status
    const fate = [
      ...(failure === undefined ? [] : [paint('red', oneLine(failure))]),
      ...(decidedBy === undefined ? [] : [paint('yellow', `${exchange.decision ?? 'decided'} by ${decidedBy}`)]),
    ]
    const shown = this.#options.disclosure.url(url)
    this.#row(exchange.at, method, shown, status === undefined ? 'failed' : String(status), size(responseBytes), end, fate.join('  '))
  }

  /** A connect that came to nothing shows nowhere else. */
  #showFailedConnects(): void {
    while (this.#connects[0] && this.#connects[0].outcome() !== 'connecting') {
      const connect = this.#connects.shift()
      const outcome = connect?.outcome() ?? ''
      if (!connect || outcome === 'connected') continue
      this.#row(connect.at, 'TCP', `${connect.host}:${connect.port}`, 'failed', '', outcome)
    }
  }

  #named(connection: Connection): string {
    return `${this.#options.disclosure.url(connection.url)} #${connection.id}`
  }

  #row(at: number, method: string, url: string, status: string, bytes: string, end: string, fate = ''): void {
    const { columns, paint } = this.#options
    const width = columns()
    // Time, method, status, size, duration, and what stands between them.
    const place = width === undefined ? 56 : Math.max(24, width - 51)
    const shown = width === undefined ? harmless(url) : shorten(harmless(url), place)
    if (!this.#isBegun) {
      this.#isBegun = true
      const head = `${'time'.padEnd(12)}  ${'method'.padEnd(7)} ${'url'.padEnd(place)} status ${'size'.padStart(8)}  duration`
      this.#options.write(`${paint('dim', head)}\n`)
    }
    const line = `${paint('bold', method.padEnd(7))} ${shown.padEnd(place)} ${paint(statusStyle(status), status.padEnd(6))} ${bytes.padStart(8)}  ${oneLine(end)}`
    this.#line(at, fate === '' ? line : `${line}  ${fate}`)
  }

  #detail(at: number, from: Side, connection: Connection, kind: string, text: string, fate: string): void {
    const { columns, paint } = this.#options
    const width = columns()
    const way = from === 'client' ? paint('cyan', `  ↑ #${connection.id}`) : paint('green', `  ↓ #${connection.id}`)
    const room = width === undefined ? text.length : Math.max(20, width - 14 - 6 - String(connection.id).length - kind.length - 4)
    this.#line(at, `${way} ${kind}  ${shorten(text, room)}${fate}`.trimEnd())
  }

  #line(at: number, text: string): void {
    this.#options.write(`${this.#options.paint('dim', timeOfDay(this.#options.startedAt + at))}  ${text}\n`)
  }

  #headers(mark: '>' | '<', rawHeaders: readonly string[]): void {
    const { paint, disclosure } = this.#options
    for (const [name, value] of headerPairs(rawHeaders, disclosure))
      this.#options.write(`    ${mark} ${paint('dim', `${harmless(name)}:`)} ${harmless(value)}\n`)
  }

  #body(mark: '>' | '<', body: ReturnType<typeof showBody>, lack: string | undefined): void {
    const { paint, write } = this.#options
    if (!body) return lack === undefined ? undefined : write(`    ${mark} ${paint('dim', lack)}\n`)
    if (body.text === '') return
    if (body.encoding) return write(`    ${mark} ${paint('dim', `binary: ${size(Buffer.byteLength(body.text, 'base64'))}`)}\n`)
    const shown = harmless(body.text.slice(0, bodyLimit))
    for (const line of shown.trimEnd().split('\n')) write(`    ${mark} ${line}\n`)
    if (body.text.length > bodyLimit) write(`    ${mark} ${paint('dim', `… ${body.text.length - bodyLimit} characters more`)}\n`)
  }
}

function statusStyle(status: string): Style {
  if (/^[1-2]/.test(status)) return 'green'
  if (status.startsWith('3')) return 'cyan'
  return status.startsWith('4') ? 'yellow' : 'red'
}

/** The middle of a URL says least. */
function shorten(text: string, most: number): string {
  if (text.length <= most) return text
  const tail = Math.floor((most - 1) / 3)
  return `${text.slice(0, most - 1 - tail)}…${text.slice(text.length - tail)}`
}
