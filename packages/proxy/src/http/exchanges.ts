import type { IncomingMessage } from 'node:http'
import type { Clock } from '../io/clock.ts'
import type { Leg } from '../io/leg.ts'
import type { Journal } from '../journal/journal.ts'
import type { Scope } from '../scope.ts'
import type { ExchangeRecord } from './exchange-record.ts'

/** The HTTP exchanges that are under way, and their lines in the journal. */
export class Exchanges {
  readonly #clock: Clock
  readonly #journal: Journal
  readonly #underWay = new Map<ExchangeRecord, { readonly scope: Scope; readonly client: Leg }>()
  #count = 0

  constructor(clock: Clock, journal: Journal) {
    this.#clock = clock
    this.#journal = journal
  }

  nextId(): number {
    return ++this.#count
  }

  begin(scope: Scope, record: ExchangeRecord, client: Leg): void {
    this.#underWay.set(record, { scope, client })
    this.#journal.append({ kind: 'request', at: record.at, scope, exchange: record })
  }

  /** Response headers have arrived. */
  answer(record: ExchangeRecord, response: IncomingMessage): void {
    const owner = this.#underWay.get(record)
    if (!owner) return
    const at = this.#clock.now()
    record.response = {
      status: response.statusCode ?? 0,
      statusText: response.statusMessage ?? '',
      headers: response.headers,
      rawHeaders: response.rawHeaders,
      at,
    }
    this.#journal.append({ kind: 'response', at, scope: owner.scope, exchange: record })
  }

  end(record: ExchangeRecord, failure: string | undefined): void {
    if (!this.#underWay.delete(record)) return
    record.endedAt = this.#clock.now()
    record.failure = failure
  }

  /** An exchange that outlives its scope, a stream of events say, is cut off. */
  endAll(inScope: (scope: Scope) => boolean): void {
    for (const [record, { scope, client }] of this.#underWay) {
      if (!inScope(scope)) continue
      this.end(record, 'its test ended')
      client.destroy()
    }
  }
}
