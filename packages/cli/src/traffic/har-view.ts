import type { Connection, Exchange, TrafficEvent } from '@midwire/proxy'
import type { TrafficView } from './follow-traffic.ts'
import { exchangeEntry, harMessage, webSocketEntry } from './har.ts'
import type { HarContext, HarMessage, Refusal } from './har.ts'
import { OutputFile } from './output-file.ts'

/** Writes HAR 1.2: each exchange and WebSocket when it is over, so that the file can be read at any time. */
export class HarView implements TrafficView {
  readonly #file: OutputFile
  readonly #context: HarContext
  readonly #messages = new Map<Connection, HarMessage[]>()
  readonly #refusals = new Map<Connection, Refusal>()
  readonly #now: () => number
  #entries = 0

  /** `now`: ms since the proxy started. @throws UsageError if the file cannot be written */
  constructor(path: string, { version, now, ...context }: HarContext & { readonly version: string; readonly now: () => number }) {
    this.#context = context
    this.#now = now
    const creator = JSON.stringify({ name: 'Midwire', version })
    this.#file = new OutputFile(path, { header: `{"log":{"version":"1.2","creator":${creator},"entries":[`, trailer: '\n]}}\n' })
  }

  event(event: TrafficEvent): void {
    if (event.kind === 'handshake' && event.connection.transport === 'websocket') this.#messages.set(event.connection, [])
    if (event.kind === 'refused') this.#refusals.set(event.connection, event)
    if (event.kind === 'message' && !event.message.evicted)
      this.#messages.get(event.connection)?.push(harMessage(event.message, this.#context))
  }

  exchangeOver(exchange: Exchange): void {
    this.#write(exchangeEntry(exchange, this.#context))
  }

  connectionOver(connection: Connection): void {
    const messages = this.#messages.get(connection)
    if (!messages) return
    this.#write(webSocketEntry(connection, { messages, refusal: this.#refusals.get(connection), overAt: this.#now() }, this.#context))
    this.#messages.delete(connection)
    this.#refusals.delete(connection)
  }

  /** HAR has no word for it. */
  tunnelOver(): void {}

  close(): void {
    this.#file.close()
  }

  #write(entry: object): void {
    this.#file.write(`${this.#entries++ === 0 ? '' : ','}\n${JSON.stringify(entry)}`)
  }
}
