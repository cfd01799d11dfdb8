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

/** What is left in memory when the payloads have gone: a letter for each finding, and what was no message. */
export interface Trace {
  readonly letters: string
  readonly firstIndex: number
  readonly controls: readonly ControlFrame[]
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
  #trace: Trace | undefined
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
    if (!this.#findings && !this.#trace) this.#track.materialize(this)
    return this.#findings ?? []
  }

  events(): readonly TrafficEvent[] {
    const findings = this.findings()
    if (this.#trace) return this.#recall(this.#trace).map((finding, place) => this.#event(finding, place))
    return (this.#events ??= findings.map((finding, place) => this.#event(finding, place)))
  }

  /** Takes what its track found; `plain` is the chunk unmasked, `allocated` the bytes of payloads outside it. Returns the weight gained. */
  fill(plain: Buffer, findings: readonly Finding[], allocated: number): number {
    this.#findings = findings
    this.#bytes = plain
    const gain = allocated + findings.length * findingWeight
    this.#weight += gain
    return gain
  }

  /** Takes what its track could still find after its bytes were to go. */
  reduce(trace: Trace): void {
    // Joined strings are trees: this one is kept flat.
    this.#trace = { ...trace, letters: Buffer.from(trace.letters, 'latin1').toString('latin1') }
    this.#findings = undefined
    this.#events = undefined
    this.#bytes = empty
    this.#weight = 0
  }

  evict(): void {
    if (this.#evicted) return
    this.#evicted = true
    if (this.#findings) this.#let(this.#findings)
    else this.#track.materialize(this)
  }

  #event(finding: Finding, place: number): TrafficEvent {
    const { at, connection, from } = this
    const base = { seq: this.ordinal * eventsPerRecord + place, at, scope: connection.scope, connection, from }
    return finding instanceof JournalledMessage ? { ...base, kind: 'message', message: finding } : { ...base, ...finding }
  }

  /** Messages that can only be counted, and the rest as it was. */
  #recall({ letters, firstIndex, controls }: Trace): Finding[] {
    let index = firstIndex
    let control = 0
    return Array.from(letters, (letter, place) => {
      if (letter === 'c') return controls[control++]!
      const message = new JournalledMessage(this, place, index++, letter === 'b', 0, false)
      message.settle(undefined)
      message.evict()
      return message
    })
  }

  #let(findings: readonly Finding[]): void {
    const controls: ControlFrame[] = []
    let letters = ''
    let firstIndex: number | undefined
    for (const finding of findings) {
      if (finding instanceof JournalledMessage) {
        firstIndex ??= finding.index
        finding.evict()
        letters += finding.binary ? 'b' : 't'
      } else {
        controls.push('payload' in finding ? { ...finding, payload: Buffer.from(finding.payload) } : finding)
        letters += 'c'
      }
    }
    this.reduce({ letters, firstIndex: firstIndex ?? 0, controls })
  }
}
