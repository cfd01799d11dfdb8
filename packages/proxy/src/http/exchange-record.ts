import type { IncomingMessage } from 'node:http'
import type { Exchange, ExchangeResponse } from '../journal/traffic-event.ts'
import type { Target } from './target.ts'

/** What the journal knows of one exchange, filled in as it goes by. */
export class ExchangeRecord implements Exchange {
  readonly id: number
  readonly method: string
  readonly url: string
  readonly host: string
  readonly port: number
  readonly path: string
  readonly query: Readonly<Record<string, string | string[]>>
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly at: number
  response: ExchangeResponse | undefined
  endedAt: number | undefined
  failure: string | undefined
  requestBytes = 0
  responseBytes = 0

  constructor(id: number, request: IncomingMessage, target: Target, at: number) {
    this.id = id
    this.method = request.method ?? ''
    this.url = target.url
    this.host = target.host
    this.port = target.port
    this.path = target.path
    this.query = target.query
    this.headers = request.headers
    this.rawHeaders = request.rawHeaders
    this.at = at
  }
}
