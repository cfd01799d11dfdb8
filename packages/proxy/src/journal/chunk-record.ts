import type { Connection } from '../connection.ts'
import type { Side } from '../side.ts'
import { JournalledMessage } from './journalled-message.ts'
import type { MessageSource } from './journalled-message.ts'
import { eventsPerRecord } from './record.ts'
import type { JournalRecord } from './record.ts'
import type { Track } from './track.ts'
import type { TrafficEvent } from './traffic-event.ts'

/** 'relayed': written as it came; 'queued': its messages tell for themselves; 'undeliverable': the receiver had gone. */
export type Fate = 'relayed' | 'queued' | 'undeliverable'

/** A ping, pong or close before it has its place. */
export type ControlFrame =
  | { readonly kind: 'ping' | 'pong'; readonly payload: Uint8Array }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }

/** What a chunk is found to hold, in order. */
export type Finding = JournalledMessage | ControlFrame

/** What is left of a message in memory when its payload has gone. */
interface Trace {
  readonly kind: 'trace'
  readonly index: number
  readonly binary: boolean
}

const empty = Buffer.alloc(0)
const overhead = 200

/** An allowance for the objects of one finding, so that the journal's limit bounds memory and not only payloads. */
const findingWeight = 200

/** What one side sent in one chunk. */
export class ChunkRecord implements JournalRecord, MessageSource {
  readonly ordinal: number
  readonly first: number
  readonly at: number
  readonly fate: Fate
  next: ChunkRecord | undefined
  readonly #track: Track
  #bytes: Buffer
  #weight: number
  #findings: readonly Finding[] | undefined
  #traces: readonly (ControlFrame | Trace)[] | undefined
  #events: readonly TrafficEvent[] | undefined
  #evicted = false

  constructor(track: Track, ordinal: number, bytes: Buffer, first: number, at: number, fate: Fate) {
    this.#track = track
    this.ordinal = ordinal
    this.#bytes = bytes
    this.first = first
    this.at = at
    this.fate = fate
    this.#weight = bytes.length + overhead
  }

  get connection(): Connection {
    return this.#track.connection
  }

  get from(): Side {
    return this.#track.from
  }

  get weight(): number {
    return this.#weight
  }

  /** As it came; unmasked, once its findings were made. */
  get bytes(): Buffer {
    return this.#bytes
  }

  get evicted(): boolean {
    return this.#evicted
  }

  decodeAgain(bytes: Uint8Array, binary: boolean): unknown {
    return this.#track.decodeAgain(bytes, binary)
  }

  /** What it holds; made at the first call. */
  findings(): readonly Finding[] {
    if (!this.#findings) this.#track.materialize(this)
    return this.#findings ?? []
  }

  events(): readonly TrafficEvent[] {
    if (!this.#traces) this.findings()
    if (this.#traces)
      return this.#traces.map((trace, place) => this.#event(trace.kind === 'trace' ? this.#stub(trace, place) : trace, place))
    return (this.#events ??= this.findings().map((finding, place) => this.#event(finding, place)))
  }

  /** Takes what its track found; `plain` is the chunk unmasked, `allocated` the bytes of payloads outside it. Returns the weight gained. */
  fill(plain: Buffer, findings: readonly Finding[], allocated: number): number {
    this.#findings = findings
    if (this.#evicted) {
      this.#let()
      return 0
    }
    this.#bytes = plain
    const gain = allocated + findings.length * findingWeight
    this.#weight += gain
    return gain
  }

  evict(): void {
    if (this.#evicted) return
    this.#evicted = true
    if (this.#findings) this.#let()
    else this.#track.materialize(this)
  }

  #event(finding: Finding, place: number): TrafficEvent {
    const { at, connection, from } = this
    const base = { seq: this.ordinal * eventsPerRecord + place, at, scope: connection.scope, connection, from }
    return finding instanceof JournalledMessage ? { ...base, kind: 'message', message: finding } : { ...base, ...finding }
  }

  #stub({ index, binary }: Trace, place: number): JournalledMessage {
    const message = new JournalledMessage(this, place, index, binary, 0, false)
    message.settle(undefined)
    message.evict()
    return message
  }

  #let(): void {
    this.#traces = (this.#findings ?? []).map(finding => {
      if (!(finding instanceof JournalledMessage))
        return 'payload' in finding ? { ...finding, payload: Uint8Array.from(finding.payload) } : finding
      finding.evict()
      return { kind: 'trace', index: finding.index, binary: finding.binary }
    })
    this.#findings = undefined
    this.#events = undefined
    this.#bytes = empty
    this.#weight = 0
  }
}
