import type { Scope } from '../scope.ts'
import { eventsPerRecord } from './record.ts'
import type { JournalRecord } from './record.ts'
import type { TrafficEvent } from './traffic-event.ts'

type WithoutSeq<E> = E extends TrafficEvent ? Omit<E, 'seq'> : never

/** A TrafficEvent before the journal has given it its place. */
export type NewEvent = WithoutSeq<TrafficEvent>

export interface JournalOptions {
  /** Bytes of payload to keep; over it the oldest go, never the counts. @default 64 MiB */
  readonly limit?: number
}

export interface ReadOptions {
  /** Only what came after this position: a `seq`, or what `mark()` gave. @default from the start */
  readonly after?: number
  /** Only traffic of this scope, of those around it and of those inside it. @default all */
  readonly scope?: Scope
}

/** Everything the proxy saw, in one total order. */
export class Journal {
  readonly limit: number
  readonly #records: JournalRecord[] = []
  readonly #followers = new Set<() => void>()
  #weight = 0
  #oldest = 0

  constructor({ limit = 64 * 1024 * 1024 }: JournalOptions = {}) {
    this.limit = limit
  }

  /** Bytes kept now. */
  get weight(): number {
    return this.#weight
  }

  /** True once payloads have gone: a wait or report that needed them should say so. */
  get evicted(): boolean {
    return this.#oldest > 0
  }

  /** Notes an event, gives it its `seq`, and tells the followers. */
  append(event: NewEvent): TrafficEvent {
    const ordinal = this.#records.length
    const placed: TrafficEvent = { ...event, seq: ordinal * eventsPerRecord }
    const events: readonly TrafficEvent[] = [placed]
    this.add({ ordinal, weight: 0, events: () => events, evict: () => {} })
    this.changed()
    return placed
  }

  /** The ordinal that the next record must have. */
  get nextOrdinal(): number {
    return this.#records.length
  }

  /** Adds a record of the session's own making; `changed()` tells the followers once it is ready to be read. */
  add(record: JournalRecord): void {
    this.#records.push(record)
    this.weigh(record.weight)
  }

  /** Counts bytes that a record has come to hold since it was added. */
  weigh(bytes: number): void {
    this.#weight += bytes
    // The newest record stays: its payloads are on their way.
    while (this.#weight > this.limit && this.#oldest < this.#records.length - 1) {
      const record = this.#records[this.#oldest++]
      if (!record) break
      this.#weight -= record.weight
      record.evict()
    }
  }

  /** Tells the followers that something was added, or that the fate of a message changed. */
  changed(): void {
    if (this.#followers.size > 0) for (const follower of [...this.#followers]) follower()
  }

  /** Calls `follower` synchronously after each change; returns what stops that. It must be cheap. */
  follow(follower: () => void): () => void {
    this.#followers.add(follower)
    return () => void this.#followers.delete(follower)
  }

  /** The present position: what comes later is `after` it. */
  mark(): number {
    return this.#records.length * eventsPerRecord - 1
  }

  /** The events, in order. What is appended while reading is read too. */
  *read({ after = -1, scope }: ReadOptions = {}): Generator<TrafficEvent, void, undefined> {
    for (let i = Math.max(0, Math.floor(after / eventsPerRecord)); i < this.#records.length; i++) {
      for (const event of this.#records[i]?.events() ?? []) {
        if (event.seq > after && (scope === undefined || scope.isRelatedTo(event.scope))) yield event
      }
    }
  }
}
