import { JournalledMessage } from './journalled-message.ts'
import { eventsPerRecord } from './record.ts'
import type { JournalRecord } from './record.ts'
import type { Track } from './track.ts'
import type { TrafficEvent } from './traffic-event.ts'

/** 'relayed': written as it came; 'queued': its messages tell for themselves; 'undeliverable': the receiver had gone. */
export type Fate = 'relayed' | 'queued' | 'undeliverable'

const empty = Buffer.alloc(0)
const overhead = 200

/** What a chunk completed, for the one who passes judgement on it. */
export class Arrivals {
  readonly messages: readonly JournalledMessage[]
  readonly #rests: readonly Uint8Array[] | undefined
  #message = 0
  #rest = 0

  constructor(messages: readonly JournalledMessage[], rests: readonly Uint8Array[] | undefined) {
    this.messages = messages
    this.#rests = rests
  }

  /** The next messages, as far as their last frame ends at `end`. */
  endingAt(end: number): readonly JournalledMessage[] {
    const start = this.#message
    while (this.messages[this.#message]?.end === end) this.#message++
    return this.messages.slice(start, this.#message)
  }

  /** What the codec had left over after the next WebSocket message; `undefined` for one without state. */
  nextRest(): Uint8Array | undefined {
    return this.#rests?.[this.#rest++]
  }

  /** What it had left over at the end of the chunk; `undefined` if no message ended in it. */
  get lastRest(): Uint8Array | undefined {
    return this.#rests?.at(-1)
  }
}

type Kept = TrafficEvent | { readonly index: number; readonly binary: boolean }

/** What one side sent in one chunk. */
export class ChunkRecord implements JournalRecord {
  readonly ordinal: number
  readonly first: number
  readonly at: number
  readonly fate: Fate
  next: ChunkRecord | undefined
  readonly #track: Track
  #bytes: Buffer
  #weight: number
  #events: readonly TrafficEvent[] | undefined
  #kept: readonly Kept[] | undefined
  #evicted = false
  #arrivals: Arrivals | undefined

  constructor(track: Track, ordinal: number, bytes: Buffer, first: number, at: number, fate: Fate) {
    this.#track = track
    this.ordinal = ordinal
    this.#bytes = bytes
    this.first = first
    this.at = at
    this.fate = fate
    this.#weight = bytes.length + overhead
  }

  get weight(): number {
    return this.#weight
  }

  get bytes(): Buffer {
    return this.#bytes
  }

  get evicted(): boolean {
    return this.#evicted
  }

  events(): readonly TrafficEvent[] {
    if (this.#kept) return this.#kept.map((kept, place) => ('kind' in kept ? kept : this.#stub(kept, place)))
    if (!this.#events) this.#track.materialize(this)
    return this.#events ?? this.events()
  }

  /** Takes the events that its track made; `plain` is the chunk unmasked. */
  fill(plain: Buffer, events: readonly TrafficEvent[], messages: readonly JournalledMessage[], rests: readonly Uint8Array[] | undefined): void {
    this.#events = events
    this.#arrivals = new Arrivals(messages, rests)
    if (this.#evicted) this.#let()
    else this.#bytes = plain
  }

  /** What it completed; can be had once, right after its events were made. */
  takeArrivals(): Arrivals {
    const arrivals = this.#arrivals
    this.#arrivals = undefined
    return arrivals ?? new Arrivals([], undefined)
  }

  /** Counts more bytes, and says by how much. */
  gain(bytes: number): number {
    this.#weight += bytes
    return bytes
  }

  evict(): void {
    if (this.#evicted) return
    this.#evicted = true
    if (this.#events) this.#let()
    else this.#track.materialize(this)
  }

  #stub({ index, binary }: { readonly index: number; readonly binary: boolean }, place: number): TrafficEvent {
    return this.#track.stub(this.ordinal * eventsPerRecord + place, this.at, index, binary)
  }

  #let(): void {
    const kept: Kept[] = []
    for (const event of this.#events ?? []) {
      if (event.kind === 'message') {
        if (event.message instanceof JournalledMessage) event.message.evict()
        kept.push({ index: event.message.index, binary: event.message.binary })
      } else if (event.kind === 'ping' || event.kind === 'pong') kept.push({ ...event, payload: Uint8Array.from(event.payload) })
      else kept.push(event)
    }
    this.#kept = kept
    this.#events = undefined
    this.#arrivals = undefined
    this.#bytes = empty
    this.#weight = 0
  }
}
