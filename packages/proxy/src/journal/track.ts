import type { Codec, CodecContext, Decoded } from '../codec.ts'
import type { Connection } from '../connection.ts'
import { messageOf, MidwireError } from '../errors.ts'
import { pass } from '../rule/verdict.ts'
import type { Side } from '../side.ts'
import { Opcode } from '../ws/frame.ts'
import { evictedProblem, MessageAssembler } from '../ws/message-assembler.ts'
import type { AssemblySink } from '../ws/message-assembler.ts'
import { ChunkRecord } from './chunk-record.ts'
import type { ControlFrame, Fate, Finding } from './chunk-record.ts'
import type { Journal } from './journal.ts'
import { JournalledMessage } from './journalled-message.ts'

export interface TrackOptions {
  readonly connection: Connection
  readonly from: Side
  readonly codec: Codec<unknown>
  /** The Sec-WebSocket-Protocol that was agreed, or ''. */
  readonly protocol: string
  readonly journal: Journal
  /** Bytes that a message may have, also inflated; a larger one has no value. */
  readonly messageLimit: number
  /** The client's, for that of the server. */
  readonly peer?: Track | undefined
}

const empty: Uint8Array = Buffer.alloc(0)

/**
 * What one side of one connection sent, as records in the journal. What is in a record is found when somebody reads, or at once
 * where a rule or the state of a codec needs it: by the same assembler, in the order of arrival.
 */
export class Track implements AssemblySink {
  readonly connection: Connection
  readonly from: Side
  readonly stateful: boolean
  /** What a codec with state had left over after each WebSocket message of the record that was read last. */
  rests: readonly Uint8Array[] = []
  readonly #codec: Codec<unknown>
  readonly #journal: Journal
  readonly #assembler: MessageAssembler
  readonly #text: CodecContext
  readonly #binary: CodecContext
  /** The first record that has not been read; later ones hang on it. */
  #pending: ChunkRecord | undefined
  #newest: ChunkRecord | undefined
  #index = 0
  #rest = empty
  /** Of the record that is being read. */
  #record: ChunkRecord | undefined
  #plain: Buffer = Buffer.alloc(0)
  #findings: Finding[] = []
  #rests: Uint8Array[] = []
  #letters = ''
  #controls: ControlFrame[] = []

  constructor({ connection, from, codec, protocol, journal, messageLimit, peer }: TrackOptions) {
    this.connection = connection
    this.from = from
    this.stateful = codec.stateless !== true
    this.#codec = codec
    this.#journal = journal
    this.#assembler = new MessageAssembler(from, { limit: messageLimit })
    const state = codec.state?.({ from, protocol, url: connection.url, ...(peer && { peer: peer.context(true).state }) })
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

  /** Finds what is in every record up to this one. */
  materialize(record: ChunkRecord): void {
    while (this.#pending && this.#pending.ordinal <= record.ordinal) {
      const next = this.#pending
      this.#pending = next.next
      next.next = undefined
      this.#read(next)
    }
  }

  /** The value of a message whose bytes alone make it up. */
  decodeAgain(bytes: Uint8Array, binary: boolean): unknown {
    return this.#codec.decode(bytes, this.context(binary)).messages[0]?.value
  }

  message(binary: boolean, payload: Buffer, problem: string | undefined, end: number): void {
    if (this.#record?.evicted) {
      this.#rest = empty
      this.#letters += binary ? 'b' : 't'
      this.#index++
      return
    }
    if (problem === undefined) this.#decode(binary, payload, end)
    else {
      this.#rest = empty
      const message = this.#found(binary, end, false)
      if (problem === evictedProblem) message.evict()
      else message.fail(problem, undefined)
      this.#settle(message)
    }
    if (this.stateful) this.#rests.push(this.#rest)
  }

  control(opcode: number, payload: Buffer): void {
    const frame = controlFrame(opcode, payload)
    if (this.#record?.evicted) {
      this.#letters += 'c'
      this.#controls.push(frame)
    } else this.#findings.push(frame)
  }

  /** The chunk unmasked: the payloads to come are parts of it. */
  plain(bytes: Buffer): void {
    this.#plain = bytes
  }

  #read(record: ChunkRecord): void {
    if (record.evicted) return this.#count(record)
    const before = this.#assembler.allocated
    this.#record = record
    this.#findings = []
    this.#rests = []
    this.#assembler.read(record.bytes, record.first, this)
    this.rests = this.#rests
    const gain = record.fill(this.#plain, this.#findings, this.#assembler.allocated - before)
    this.#record = undefined
    this.#findings = []
    this.#journal.weigh(gain)
  }

  /** Nobody has read it, and its bytes have to go: its messages are counted. */
  #count(record: ChunkRecord): void {
    const firstIndex = this.#index
    this.#record = record
    this.#letters = ''
    this.#controls = []
    this.#assembler.read(record.bytes, record.first, this, false)
    record.reduce({ letters: this.#letters, firstIndex, controls: this.#controls })
    this.#record = undefined
  }

  #decode(binary: boolean, payload: Buffer, end: number): void {
    const input = this.#rest.length === 0 ? payload : Buffer.concat([this.#rest, payload])
    let decoded: Decoded<unknown>
    try {
      decoded = this.#codec.decode(input, binary ? this.#binary : this.#text)
      this.#check(decoded, input)
    } catch (error) {
      this.#rest = empty
      const message = this.#found(binary, end, false)
      message.fail(`${this.#codec.name}: ${messageOf(error)}`, input)
      this.#settle(message)
      return
    }
    const { messages, rest } = decoded
    this.#rest = rest
    const renewable = !this.stateful && messages.length === 1
    for (const part of messages) {
      const { bytes } = part
      const message = this.#found(binary, end, renewable)
      if (part.undecodable === undefined) message.fill(part.value, bytes, part.frames)
      else message.fail(`${this.#codec.name}: ${part.undecodable}`, bytes)
      if (bytes === payload && this.#assembler.direct) message.locate(end - bytes.length, bytes.length)
      else this.#locate(message, bytes)
      this.#settle(message)
    }
  }

  #locate(message: JournalledMessage, bytes: Uint8Array): void {
    const plain = this.#plain
    const start = bytes.byteOffset - plain.byteOffset
    if (bytes.buffer === plain.buffer && start >= 0 && start + bytes.length <= plain.length) message.locate(start, bytes.length)
  }

  /** The contract of Codec: the bytes of the messages and the rest make up the input. */
  #check({ messages, rest }: Decoded<unknown>, input: Uint8Array): void {
    let size = rest.length
    for (const { bytes, frames } of messages) {
      size += bytes.length
      const framed = frames?.reduce((sum, frame) => sum + frame.size, 0) ?? bytes.length
      if (framed !== bytes.length)
        throw new MidwireError('MIDWIRE_CODEC', `decode gives a message of ${bytes.length} bytes frames of ${framed} bytes together`)
    }
    if (size !== input.length) {
      throw new MidwireError(
        'MIDWIRE_CODEC',
        `decode accounts for ${size} bytes of ${input.length}: the bytes of the messages and the rest must make up the input`,
      )
    }
    if (!this.stateful && rest.length > 0)
      throw new MidwireError('MIDWIRE_CODEC', `decode left a rest of ${rest.length} bytes, but the codec is stateless`)
  }

  #found(binary: boolean, end: number, renewable: boolean): JournalledMessage {
    const message = new JournalledMessage(this.#record!, this.#findings.length, this.#index++, binary, end, renewable)
    this.#findings.push(message)
    return message
  }

  /** What was relayed, or could not be, is settled already. */
  #settle(message: JournalledMessage): void {
    const { fate } = this.#record!
    if (fate === 'queued') return
    message.decide(pass, undefined)
    if (fate === 'relayed') message.relayed()
    else message.settle(undefined)
  }
}

function controlFrame(opcode: number, payload: Buffer): ControlFrame {
  if (opcode === Opcode.ping || opcode === Opcode.pong) return { kind: opcode === Opcode.ping ? 'ping' : 'pong', payload }
  // RFC 6455 §7.1.5: 1005 stands for a close frame without a code
  if (payload.length < 2) return { kind: 'close', code: 1005, reason: '' }
  return { kind: 'close', code: payload.readUInt16BE(0), reason: payload.toString('utf8', 2) }
}
