import type { Exchange, ExchangeResponse } from '../journal/traffic-event.ts'
import { KeptBody } from './kept-body.ts'
import { fieldOf, type Fields, fieldsOf } from './raw-headers.ts'
import type { RequestHead, ResponseHead } from './sides.ts'
import type { Target } from './target.ts'

/** What the journal knows of one exchange, filled in as it goes by. */
export class ExchangeRecord implements Exchange {
  readonly id: number
  readonly version: '1.0' | '1.1' | '2'
  readonly method: string
  readonly target: Target
  readonly rawHeaders: readonly string[]
  readonly at: number
  readonly kept: KeptBody
  readonly weigh: (gain: number) => void
  fields: Fields | undefined
  response: ResponseRecord | undefined
  delivered: ResponseRecord | undefined
  decidedBy: string | undefined
  decision: string | undefined
  endedAt: number | undefined
  failure: string | undefined

  /** `weigh` is told of every byte that it keeps, and lets go. */
  constructor(
    id: number,
    version: '1.0' | '1.1' | '2',
    head: RequestHead,
    target: Target,
    at: number,
    limit: number,
    weigh: (gain: number) => void,
  ) {
    this.id = id
    this.version = version
    this.method = head.method
    this.target = target
    this.rawHeaders = head.rawHeaders
    this.at = at
    this.weigh = weigh
    this.kept = new KeptBody(fieldOf(head.rawHeaders, 'content-encoding'), limit)
  }

  get url(): string {
    return this.target.url
  }

  get host(): string {
    return this.target.host
  }

  get port(): number {
    return this.target.port
  }

  get path(): string {
    return this.target.path
  }

  get query(): Exchange['query'] {
    return this.target.query
  }

  get headers(): Fields {
    return (this.fields ??= fieldsOf(this.rawHeaders))
  }

  get body(): Uint8Array | undefined {
    return this.kept.body
  }

  get text(): string | undefined {
    return this.kept.text
  }

  get json(): unknown {
    return this.kept.json
  }

  get complete(): boolean {
    return this.kept.complete
  }

  get lack(): string | undefined {
    return this.kept.lack
  }

  get requestBytes(): number {
    return this.kept.bytes
  }

  get responseBytes(): number {
    return this.response?.kept.bytes ?? 0
  }

  addRequest(chunk: Uint8Array): void {
    this.weigh(this.kept.add(chunk))
  }

  addResponse(chunk: Uint8Array): void {
    if (this.response) this.weigh(this.response.kept.add(chunk))
  }

  /** The head of upstream's answer, or of one in its place. */
  answered(head: ResponseHead, at: number): ResponseRecord {
    return (this.response = new ResponseRecord(head, at, this.kept.limit))
  }

  /** The client gets another answer than upstream's. */
  deliver(head: ResponseHead, at: number, body: Uint8Array | undefined, complete = true): void {
    this.delivered = new ResponseRecord(head, at, this.kept.limit)
    this.delivered.kept.complete = complete
    if (body) this.addDelivered(body)
  }

  addDelivered(chunk: Uint8Array): void {
    if (this.delivered) this.weigh(this.delivered.kept.add(chunk))
  }

  /** Lets the bodies go; what remains can still be counted. */
  evict(): void {
    for (const kept of [this.kept, this.response?.kept, this.delivered?.kept]) kept?.drop('it has left the journal (journalLimit)')
  }
}

/** One response of an exchange. */
export class ResponseRecord implements ExchangeResponse {
  readonly status: number
  readonly statusText: string
  readonly rawHeaders: readonly string[]
  readonly at: number
  readonly kept: KeptBody
  fields: Fields | undefined

  constructor({ status, statusText, rawHeaders }: ResponseHead, at: number, limit: number) {
    this.status = status
    this.statusText = statusText
    this.rawHeaders = rawHeaders
    this.at = at
    this.kept = new KeptBody(fieldOf(rawHeaders, 'content-encoding'), limit)
  }

  get headers(): Fields {
    return (this.fields ??= fieldsOf(this.rawHeaders))
  }

  get body(): Uint8Array | undefined {
    return this.kept.body
  }

  get text(): string | undefined {
    return this.kept.text
  }

  get json(): unknown {
    return this.kept.json
  }

  get complete(): boolean {
    return this.kept.complete
  }

  get lack(): string | undefined {
    return this.kept.lack
  }
}
