import type { Codec, CodecContext, Decoded } from '../codec.ts'
import type { Connection } from '../connection.ts'
import { MidwireError } from '../errors.ts'
import type { Message } from '../message.ts'
import { pass } from '../rule/verdict.ts'
import type { Side } from '../side.ts'
import { Opcode } from '../ws/frame.ts'
import { evictedProblem, MessageAssembler } from '../ws/message-assembler.ts'
import { ChunkRecord } from './chunk-record.ts'
import type { Fate } from './chunk-record.ts'
import type { Journal } from './journal.ts'
import { JournalledMessage } from './journalled-message.ts'
import { eventsPerRecord } from './record.ts'
import type { TrafficEvent } from './traffic-event.ts'

export interface TrackOptions {
  readonly connection: Connection
  readonly from: Side
  readonly codec: Codec<unknown>
  /** The Sec-WebSocket-Protocol that was agreed, or ''. */
  readonly protocol: string
  readonly journal: Journal
  /** Bytes that a message may have, also inflated; a larger one has no value. */
  readonly messageLimit: number
}

/** A record, and what is being found in it. */
interface Reading {
  readonly record: ChunkRecord
  readonly events: TrafficEvent[]
  readonly messages: JournalledMessage[]
}

const empty = Buffer.alloc(0)

/** An allowance for the objects of one event, so that the journal's limit bounds memory and not only payloads. */
const eventWeight = 400

/**
 * What one side of one connection sent, as records in the journal. The events of a record are made when somebody reads, or at
 * once where a rule or the state of a codec needs them: by the same assembler, in the order of arrival.
 */
export class Track {
  readonly from: Side
  readonly stateful: boolean
  readonly #connection: Connection
  readonly #codec: Codec<unknown>
  readonly #journal: Journal
  readonly #assembler: MessageAssembler
  readonly #text: CodecContext
  readonly #binary: CodecContext
  /** The first record whose events have not been made; later ones hang on it. */
  #pending: ChunkRecord | undefined
  #newest: ChunkRecord | undefined
  #index = 0
  #rest: Uint8Array = empty

  constructor({ connection, from, codec, protocol, journal, messageLimit }: TrackOptions) {
    this.from = from
    this.stateful = codec.stateless !== true
    this.#connection = connection
    this.#codec = codec
    this.#journal = journal
    this.#assembler = new MessageAssembler(from, { limit: messageLimit })
    const state = codec.state?.({ from, protocol })
    this.#text = Object.freeze({ from, binary: false, protocol, state })
    this.#binary = Object.freeze({ from, binary: true, protocol, state })
  }

  /** What the codec is told about this direction. */
  context(binary: boolean): CodecContext {
    return binary ? this.#binary : this.#text
  }

  /** Notes a chunk as a FrameReader has cut it. */
  append(bytes: Buffer, first: number, at: number, fate: Fate): ChunkRecord {
    const record = new ChunkRecord(this, this.#journal.nextOrdinal, bytes, first, at, fate)
    if (this.#pending) this.#newest!.next = record
    else this.#pending = record
    this.#newest = record
    this.#journal.add(record)
    return record
  }

  /** Makes the events of every record up to this one. */
  materialize(record: ChunkRecord): void {
    while (this.#pending && this.#pending.ordinal <= record.ordinal) {
      const next = this.#pending
      this.#pending = next.next
      next.next = undefined
      this.#read(next)
    }
  }

  /** A value of a message that nobody else has, for a patch to change. */
  freshValue(message: Message): unknown {
    if (this.stateful) return structuredClone(message.value)
    return this.#codec.decode(message.bytes, this.context(message.binary)).messages[0]?.value
  }

  /** Stands for a message whose payload has gone. */
  stub(seq: number, at: number, index: number, binary: boolean): TrafficEvent {
    const { scope } = this.#connection
    const facts = { connection: this.#connection, from: this.from, at, index, seq, binary }
    const message = new JournalledMessage({ ...facts, value: undefined, bytes: undefined, undecodable: undefined, evicted: true, end: 0 })
    message.settle(undefined)
    return { kind: 'message', seq, at, scope, connection: this.#connection, from: this.from, message }
  }

  #read(record: ChunkRecord): void {
    const bytes = record.bytes
    const events: TrafficEvent[] = []
    const messages: JournalledMessage[] = []
    const rests: Uint8Array[] | undefined = this.stateful ? [] : undefined
    const before = this.#assembler.allocated
    const plain = this.#assembler.read(
      bytes,
      record.first,
      {
        message: (binary, payload, problem, end) => {
          this.#decode({ record, events, messages }, binary, payload, problem, end)
          rests?.push(this.#rest)
        },
        control: (opcode, payload) => void events.push(this.#control(record, events.length, opcode, payload)),
      },
      !record.evicted,
    )
    record.fill(plain, events, messages, rests)
    if (!record.evicted) this.#journal.weigh(record.gain(this.#assembler.allocated - before + events.length * eventWeight))
  }

  #decode(into: Reading, binary: boolean, payload: Buffer, problem: string | undefined, end: number): void {
    if (problem !== undefined) {
      this.#rest = empty
      const evicted = problem === evictedProblem
      this.#add(into, binary, undefined, evicted ? undefined : payload, evicted ? undefined : problem, evicted, end)
      return
    }
    const input = this.#rest.length === 0 ? payload : Buffer.concat([this.#rest, payload])
    let decoded: Decoded<unknown>
    try {
      decoded = this.#codec.decode(input, this.context(binary))
      this.#check(decoded, input)
    } catch (error) {
      this.#rest = empty
      this.#add(into, binary, undefined, input, `${this.#codec.name}: ${error instanceof Error ? error.message : String(error)}`, false, end)
      return
    }
    this.#rest = decoded.rest
    for (const { value, bytes } of decoded.messages) this.#add(into, binary, value, bytes, undefined, false, end)
  }

  /** The contract of Codec: the bytes of the messages and the rest make up the input. */
  #check({ messages, rest }: Decoded<unknown>, input: Uint8Array): void {
    let size = rest.length
    for (const { bytes } of messages) size += bytes.length
    if (size !== input.length) {
      throw new MidwireError('MIDWIRE_CODEC', `decode accounts for ${size} bytes of ${input.length}: the bytes of the messages and the rest must make up the input`)
    }
    if (!this.stateful && rest.length > 0) throw new MidwireError('MIDWIRE_CODEC', `decode left a rest of ${rest.length} bytes, but the codec is stateless`)
  }

  #add(
    { record, events, messages }: Reading,
    binary: boolean,
    value: unknown,
    bytes: Uint8Array | undefined,
    undecodable: string | undefined,
    evicted: boolean,
    end: number,
  ): void {
    const connection = this.#connection
    const from = this.from
    const seq = record.ordinal * eventsPerRecord + events.length
    const message = new JournalledMessage({ connection, from, at: record.at, index: this.#index++, seq, binary, value, bytes, undecodable, evicted, end })
    if (record.fate !== 'queued') {
      message.decide(pass, undefined)
      message.settle(record.fate === 'relayed' ? bytes : undefined)
    }
    messages.push(message)
    events.push({ kind: 'message', seq, at: record.at, scope: connection.scope, connection, from, message })
  }

  #control(record: ChunkRecord, place: number, opcode: number, payload: Buffer): TrafficEvent {
    const connection = this.#connection
    const base = { seq: record.ordinal * eventsPerRecord + place, at: record.at, scope: connection.scope, connection, from: this.from }
    if (opcode === Opcode.ping || opcode === Opcode.pong) return { ...base, kind: opcode === Opcode.ping ? 'ping' : 'pong', payload }
    // RFC 6455 §7.1.5: 1005 stands for a close frame without a code
    if (payload.length < 2) return { ...base, kind: 'close', code: 1005, reason: '' }
    return { ...base, kind: 'close', code: payload.readUInt16BE(0), reason: payload.toString('utf8', 2) }
  }
}
