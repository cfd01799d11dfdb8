import { type Clock, realClock } from '../io/clock.ts'
import type { Journal } from '../journal/journal.ts'
import { eventsPerRecord, type JournalRecord } from '../journal/record.ts'
import type { TrafficEvent } from '../journal/traffic-event.ts'
import type { OwnResponse } from '../rule/request-rule.ts'
import type { Scope } from '../scope.ts'
import { ExchangeRecord } from './exchange-record.ts'
import type { ClientSide, ResponseHead } from './sides.ts'
import type { Target } from './target.ts'

/** Of the journal's limit, what one body may take. */
const share = 8

/** ms that an exchange gets to come to its end which the end of its scope has let go. */
const farewellTime = 500

/** An exchange that is under way. */
interface UnderWay {
  /** Ends a pause that a rule made; true if there was one. */
  resume(): boolean
  /** Ends both sides; where its turn has not come, only when it comes, or when this is called again. */
  cutOff(): void
}

/** The HTTP exchanges that are under way, and their lines in the journal. */
export class Exchanges {
  readonly #clock: Clock
  readonly #journal: Journal
  readonly #underWay = new Map<ExchangeRecord, { readonly scope: Scope; readonly running: UnderWay }>()
  readonly #lingering = new Map<() => void, Scope | undefined>()
  #ended: (() => void) | undefined
  #count = 0

  constructor(clock: Clock, journal: Journal) {
    this.#clock = clock
    this.#journal = journal
  }

  /** A request's head has arrived. */
  begin(scope: Scope, client: ClientSide, target: Target, running: UnderWay): ExchangeRecord {
    const line = new RequestLine(this.#journal, scope)
    const at = this.#clock.now()
    const limit = this.#journal.limit / share
    const record = new ExchangeRecord(++this.#count, client.version, client.head, target, at, limit, gain => line.weigh(gain))
    line.exchange = record
    this.#underWay.set(record, { scope, running })
    this.#journal.add(line)
    this.#journal.changed()
    return record
  }

  /** The whole body of a request has come. */
  requestEnded(record: ExchangeRecord): void {
    record.kept.complete = true
    if (record.requestBytes > 0) this.#journal.changed()
  }

  /** The head of upstream's response has arrived. */
  answer(record: ExchangeRecord, head: ResponseHead): void {
    const response = record.answered(head, this.#clock.now())
    record.delivered ??= response
    this.#tell(record)
  }

  /** The whole body of upstream's response has come. */
  responseEnded(record: ExchangeRecord): void {
    if (record.response) record.response.kept.complete = true
    this.#journal.changed()
  }

  /** The client gets an answer of our own, in place of upstream's or changed from it. */
  deliver(record: ExchangeRecord, head: ResponseHead, body: OwnResponse['body'] | undefined): void {
    const isStream = body instanceof ReadableStream
    record.deliver(head, this.#clock.now(), isStream ? undefined : body, !isStream)
    if (record.response) return this.#journal.changed()
    record.response = record.delivered
    this.#tell(record)
  }

  /** The whole body has come of an answer of our own that is a stream. */
  deliveryEnded(record: ExchangeRecord): void {
    if (record.delivered) record.delivered.kept.complete = true
    this.#journal.changed()
  }

  end(record: ExchangeRecord, failure: string | undefined): void {
    if (!this.#underWay.delete(record)) return
    record.endedAt = this.#clock.now()
    record.failure = failure
    this.#journal.changed()
    this.#ended?.()
  }

  /** Upstream goes on without its client: `end` is called when it is done, or its scope is. Returns what says that it is done. */
  linger(scope: Scope | undefined, end: () => void): () => void {
    this.#lingering.set(end, scope)
    return () => {
      if (this.#lingering.delete(end)) end()
    }
  }

  /** What rules hold goes on, and has a moment to come to its end; an exchange that outlives its scope, a stream of events say, is cut off. */
  async endAll(inScope: (scope: Scope) => boolean): Promise<void> {
    for (const [end, scope] of this.#lingering) if (scope && inScope(scope) && this.#lingering.delete(end)) end()
    const mine = [...this.#underWay].filter(([, { scope }]) => inScope(scope))
    const released = mine.filter(([, { running }]) => running.resume()).map(([record]) => record)
    for (const [record, { running }] of mine) if (!released.includes(record)) running.cutOff()
    const isOver = (): boolean => !released.some(record => this.#underWay.has(record))
    if (!isOver()) await this.#farewell(isOver)
    for (const [record] of mine) this.#underWay.get(record)?.running.cutOff()
  }

  async #farewell(isOver: () => boolean): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = realClock.after(farewellTime, resolve)
    const before = this.#ended
    this.#ended = () => {
      before?.()
      if (isOver()) resolve()
    }
    await promise
    this.#ended = before
    realClock.cancel(timer)
  }

  #tell(record: ExchangeRecord): void {
    const owner = this.#underWay.get(record)
    if (owner) this.#journal.append({ kind: 'response', at: record.response?.at ?? 0, scope: owner.scope, exchange: record })
  }
}

/** The line of a request, which carries the weight of both bodies. */
class RequestLine implements JournalRecord {
  readonly ordinal: number
  readonly #journal: Journal
  readonly #scope: Scope
  #events: readonly TrafficEvent[] = []
  #exchange: ExchangeRecord | undefined
  #weight = 0
  #evicted = false

  constructor(journal: Journal, scope: Scope) {
    this.#journal = journal
    this.#scope = scope
    this.ordinal = journal.nextOrdinal
  }

  set exchange(exchange: ExchangeRecord) {
    this.#exchange = exchange
    this.#events = [{ kind: 'request', seq: this.ordinal * eventsPerRecord, at: exchange.at, scope: this.#scope, exchange }]
  }

  get weight(): number {
    return this.#weight
  }

  events(): readonly TrafficEvent[] {
    return this.#events
  }

  weigh(gain: number): void {
    if (gain === 0) return
    // What comes behind its eviction is not kept, either.
    if (this.#evicted) return this.#exchange?.evict()
    this.#weight += gain
    this.#journal.weigh(gain)
  }

  evict(): void {
    this.#evicted = true
    this.#weight = 0
    this.#exchange?.evict()
  }
}
