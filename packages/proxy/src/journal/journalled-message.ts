import type { Connection } from '../connection.ts'
import type { CodecFrame } from '../codec.ts'
import { MidwireError } from '../errors.ts'
import type { Message } from '../message.ts'
import { copyValue } from '../rule/copy-value.ts'
import type { Verdict } from '../rule/verdict.ts'
import type { Side } from '../side.ts'
import { eventsPerRecord } from './record.ts'

/** What a message needs of the record that it arrived in. */
export interface MessageSource {
  readonly ordinal: number
  readonly at: number
  readonly connection: Connection
  readonly from: Side
  /** The chunk, unmasked. */
  readonly bytes: Buffer
  /** Decodes once more; only for codecs without state. */
  decodeAgain(bytes: Uint8Array, binary: boolean): unknown
}

/** A value that can be had again, by decoding. */
const undecoded = Symbol('undecoded')

/** Its bytes are not a part of its record's. */
const elsewhere = -1

/**
 * A message in the journal, with what became of it. Once that is settled it keeps only where its bytes are, and makes value and
 * bytes again when somebody looks.
 */
export class JournalledMessage implements Message {
  readonly index: number
  readonly binary: boolean
  /** Where its last frame ends in its record. */
  readonly end: number
  readonly #source: MessageSource
  readonly #place: number
  /** Its value can be made again from its bytes. */
  readonly #renewable: boolean
  #start = elsewhere
  #size = 0
  #value: unknown = undefined
  #bytes: Uint8Array | undefined
  #frames: readonly CodecFrame[] | undefined
  #undecodable: string | undefined
  #state: 'pending' | 'untouched' | 'written' | 'withheld' = 'pending'
  #evicted = false
  #leaving = false
  /** Written, on a connection that is frozen. */
  #frozen = false
  #verdict: Verdict | undefined
  #decidedBy: string | undefined
  #written: Uint8Array | undefined
  #delivery: PromiseWithResolvers<Uint8Array | undefined> | undefined

  /** `place`: among the events of its record. `renewable`: decoding its bytes gives its value, as often as one likes. */
  constructor(source: MessageSource, place: number, index: number, binary: boolean, end: number, renewable: boolean) {
    this.#source = source
    this.#place = place
    this.index = index
    this.binary = binary
    this.end = end
    this.#renewable = renewable
  }

  /** Gives it what was decoded. */
  fill(value: unknown, bytes: Uint8Array, frames: readonly CodecFrame[] | undefined): void {
    this.#value = value
    this.#bytes = bytes
    this.#frames = frames
  }

  /** Tells where in its record its bytes are, so that it need not keep them. */
  locate(start: number, size: number): void {
    this.#start = start
    this.#size = size
  }

  /** Says why it has no value; `bytes`, where they are to be had. */
  fail(undecodable: string, bytes: Uint8Array | undefined): void {
    this.#undecodable = undecodable
    this.#bytes = bytes
  }

  get connection(): Connection {
    return this.#source.connection
  }

  get from(): Side {
    return this.#source.from
  }

  get at(): number {
    return this.#source.at
  }

  get seq(): number {
    return this.#source.ordinal * eventsPerRecord + this.#place
  }

  get undecodable(): string | undefined {
    return this.#undecodable
  }

  get value(): unknown {
    if (this.#evicted) throw this.#gone()
    if (this.#undecodable !== undefined) {
      throw new MidwireError('MIDWIRE_CODEC', `message ${this.index} from the ${this.from} has no value: ${this.#undecodable}`)
    }
    if (this.#value === undecoded) this.#value = this.#source.decodeAgain(this.bytes, this.binary)
    return this.#value
  }

  get bytes(): Uint8Array {
    if (this.#evicted) throw this.#gone()
    const bytes = this.bytesOrNothing
    if (bytes === undefined)
      throw new MidwireError('MIDWIRE_CODEC', `message ${this.index} from the ${this.from} has no bytes: ${this.#undecodable}`)
    return bytes
  }

  /** Its bytes, where they are to be had. */
  get bytesOrNothing(): Uint8Array | undefined {
    if (this.#bytes === undefined && this.#start !== elsewhere)
      this.#bytes = this.#source.bytes.subarray(this.#start, this.#start + this.#size)
    return this.#bytes
  }

  /** How its bytes were spread over WebSocket messages, where the codec says that it matters. */
  get frames(): readonly CodecFrame[] | undefined {
    return this.#frames
  }

  get text(): string {
    const { buffer, byteOffset, byteLength } = this.bytes
    return Buffer.from(buffer, byteOffset, byteLength).toString('utf8')
  }

  /** A value that nobody else has, for a patch to change. */
  get freshValue(): unknown {
    return this.#renewable ? this.#source.decodeAgain(this.bytes, this.binary) : copyValue(this.value)
  }

  /** True once its payload has left the journal. */
  get evicted(): boolean {
    return this.#evicted
  }

  get verdict(): Verdict | undefined {
    return this.#verdict
  }

  get decidedBy(): string | undefined {
    return this.#decidedBy
  }

  get delivered(): Uint8Array | undefined {
    if (this.#frozen) return undefined
    return this.#state === 'untouched' ? this.bytesOrNothing : this.#written
  }

  get whenDelivered(): Promise<Uint8Array | undefined> {
    if (this.settled) return Promise.resolve(this.delivered)
    this.#delivery ??= Promise.withResolvers()
    return this.#delivery.promise
  }

  /** True once it is certain whether, and as what, it was written. */
  get settled(): boolean {
    return this.#state !== 'pending' && !this.#frozen
  }

  /** True once it has left the session, or never will. */
  get isDone(): boolean {
    return this.#state !== 'pending'
  }

  /** Notes what was decided, and by whom. */
  decide(verdict: Verdict, by: string | undefined): void {
    this.#verdict = verdict
    this.#decidedBy = by
  }

  /** Notes that it was written as it came. */
  passed(): void {
    if (this.#state === 'pending') this.#settle('untouched')
  }

  /** Notes that it was written when it came, which may be a while ago. */
  relayed(): void {
    if (this.#state === 'pending') this.#settle('untouched', this.seq)
  }

  /** Notes what was written in its place; `undefined`: nothing will be. */
  settle(written: Uint8Array | undefined): void {
    if (this.#state !== 'pending') return
    this.#written = written
    this.#settle(written ? 'written' : 'withheld')
  }

  /** Lets the payload go; one that is still in flight keeps it until it has settled. */
  evict(): void {
    this.#leaving = true
    if (!this.settled) return
    this.#evicted = true
    this.#value = undefined
    this.#bytes = undefined
    this.#start = elsewhere
    this.#written = undefined
  }

  /** `at`: its place among all that was seen, if it was not written just now. */
  #settle(state: 'untouched' | 'written' | 'withheld', at: number = Infinity): void {
    this.#state = state
    const { connection, from } = this
    const since = state === 'withheld' ? undefined : connection.frozenSince(from)
    if (since === undefined || at <= since) return this.#finish()
    this.#frozen = true
    connection.onThaw(from, passes => {
      this.#frozen = false
      if (!passes) {
        this.#written = undefined
        this.#state = 'withheld'
      }
      this.#finish()
    })
  }

  #finish(): void {
    this.#delivery?.resolve(this.delivered)
    if (this.#renewable && this.#undecodable === undefined) this.#value = undecoded
    if (this.#start !== elsewhere) this.#bytes = undefined
    if (this.#leaving) this.evict()
  }

  #gone(): MidwireError {
    return new MidwireError(
      'MIDWIRE_CODEC',
      `message ${this.index} from the ${this.from} was seen, but its payload has left the journal: raise journalLimit, or look at it earlier`,
    )
  }
}
