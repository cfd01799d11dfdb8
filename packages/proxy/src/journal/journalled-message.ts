import type { Connection } from '../connection.ts'
import { MidwireError } from '../errors.ts'
import type { Message } from '../message.ts'
import type { Verdict } from '../rule/verdict.ts'
import type { Side } from '../side.ts'

/** What a message is made of. */
export interface MessageFacts {
  readonly connection: Connection
  readonly from: Side
  readonly at: number
  readonly index: number
  readonly seq: number
  readonly binary: boolean
  readonly value: unknown
  /** `undefined` if they are not to be had. */
  readonly bytes: Uint8Array | undefined
  readonly undecodable: string | undefined
  readonly evicted: boolean
  /** Where its last frame ends in the bytes of its record. */
  readonly end: number
}

/** A message in the journal, with what became of it. */
export class JournalledMessage implements Message {
  readonly connection: Connection
  readonly from: Side
  readonly at: number
  readonly index: number
  readonly seq: number
  readonly binary: boolean
  readonly undecodable: string | undefined
  readonly end: number
  #value: unknown
  #bytes: Uint8Array | undefined
  #evicted: boolean
  #settled = false
  #leaving = false
  #verdict: Verdict | undefined
  #decidedBy: string | undefined
  #delivered: Uint8Array | undefined
  #delivery: PromiseWithResolvers<Uint8Array | undefined> | undefined

  constructor(facts: MessageFacts) {
    this.connection = facts.connection
    this.from = facts.from
    this.at = facts.at
    this.index = facts.index
    this.seq = facts.seq
    this.binary = facts.binary
    this.undecodable = facts.undecodable
    this.end = facts.end
    this.#value = facts.value
    this.#bytes = facts.bytes
    this.#evicted = facts.evicted
  }

  get value(): unknown {
    if (this.#evicted) throw this.#gone()
    if (this.undecodable !== undefined) {
      throw new MidwireError('MIDWIRE_CODEC', `message ${this.index} from the ${this.from} has no value: ${this.undecodable}`)
    }
    return this.#value
  }

  get bytes(): Uint8Array {
    if (this.#evicted) throw this.#gone()
    if (this.#bytes === undefined) throw new MidwireError('MIDWIRE_CODEC', `message ${this.index} from the ${this.from} has no bytes: ${this.undecodable}`)
    return this.#bytes
  }

  /** Its bytes, where they are to be had. */
  get bytesOrNothing(): Uint8Array | undefined {
    return this.#bytes
  }

  get text(): string {
    const { buffer, byteOffset, byteLength } = this.bytes
    return Buffer.from(buffer, byteOffset, byteLength).toString('utf8')
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
    return this.#delivered
  }

  get whenDelivered(): Promise<Uint8Array | undefined> {
    if (this.#settled) return Promise.resolve(this.#delivered)
    this.#delivery ??= Promise.withResolvers()
    return this.#delivery.promise
  }

  /** True once it is certain whether, and as what, it was written. */
  get settled(): boolean {
    return this.#settled
  }

  /** Notes what was decided, and by whom. */
  decide(verdict: Verdict, by: string | undefined): void {
    this.#verdict = verdict
    this.#decidedBy = by
  }

  /** Notes what was written to the receiver, or that nothing will be. */
  settle(delivered: Uint8Array | undefined): void {
    if (this.#settled) return
    this.#settled = true
    this.#delivered = delivered
    this.#delivery?.resolve(delivered)
    if (this.#leaving) this.evict()
  }

  /** Lets the payload go; one that is still in flight keeps it until it has settled. */
  evict(): void {
    this.#leaving = true
    if (!this.#settled) return
    this.#evicted = true
    this.#value = undefined
    this.#bytes = undefined
    this.#delivered = undefined
  }

  #gone(): MidwireError {
    return new MidwireError(
      'MIDWIRE_CODEC',
      `message ${this.index} from the ${this.from} was seen, but its payload has left the journal: raise journalLimit, or look at it earlier`,
    )
  }
}
