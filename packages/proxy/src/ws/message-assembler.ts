import { messageOf } from '../errors.ts'
import type { Side } from '../side.ts'
import { inflate } from './deflate.ts'
import { isControl, Opcode } from './frame.ts'
import { FrameCursor } from './frame-cursor.ts'
import { mask } from './mask.ts'

/** Takes what an assembler finds, in order. `end` is where the last frame of it ends within the bytes. */
export interface AssemblySink {
  /** The chunk unmasked, before anything in it. */
  plain(bytes: Buffer): void
  /** A whole message, unmasked and inflated; `problem` says why its payload is not to be had. */
  message(binary: boolean, payload: Buffer, problem: string | undefined, end: number): void
  control(opcode: number, payload: Buffer, end: number): void
}

export interface AssemblerOptions {
  /** Bytes that a message may have, also inflated; the payload of a larger one is not kept. */
  readonly limit: number
}

/** Said of messages whose payload has been let go before it was put together. */
export const evictedProblem = 'its bytes have left the journal'

const empty = Buffer.alloc(0)

/** Puts frames together to messages (RFC 6455 §5.4), over any number of chunks that a FrameReader has cut. */
export class MessageAssembler {
  /** Bytes of payload in buffers of their own, put together or inflated, since the start. */
  allocated = 0
  /** The last payload given is a part of the chunk, and ends where its frame does. */
  direct = false
  readonly #masked: boolean
  readonly #limit: number
  readonly #cursor = new FrameCursor()
  #parts: Buffer[] = []
  #size = 0
  #problem: string | undefined
  #binary = false
  #compressed = false
  /** Of the data frame that goes on in the next chunk. */
  #remaining = 0
  #last = false
  #key = 0
  #phase = 0

  constructor(from: Side, { limit }: AssemblerOptions) {
    this.#masked = from === 'client'
    this.#limit = limit
  }

  /**
   * Reads the next chunk.
   *
   * @param keep false: what is in this chunk has gone, only structure is read
   */
  read(bytes: Buffer, first: number, sink: AssemblySink, keep = true): void {
    // Small ones share a slab: an ArrayBuffer of their own would cost more than the copy.
    const plain = keep && this.#masked ? Buffer.allocUnsafe(bytes.length) : bytes
    if (plain !== bytes) bytes.copy(plain)
    sink.plain(plain)
    if (this.#remaining > 0) this.#take(plain, 0, Math.min(first, bytes.length), keep, sink)
    const cursor = this.#cursor
    cursor.reset(bytes, first)
    while (cursor.next()) {
      const { head, payload, end } = cursor
      if (this.#masked) this.#key = bytes.readInt32BE(payload - 4)
      if (isControl(head)) {
        const content = keep ? plain.subarray(payload, end) : Buffer.from(bytes.subarray(payload, end))
        if (this.#masked) mask(content, 0, content.length, this.#key)
        sink.control(head & 0x0f, content, end)
        continue
      }
      if ((head & 0x0f) !== Opcode.continuation) {
        this.#binary = (head & 0x0f) === Opcode.binary
        this.#compressed = (head & 0x40) !== 0
      }
      this.#last = (head & 0x80) !== 0
      this.#remaining = end - payload
      this.#phase = 0
      if (this.#remaining === 0) {
        if (this.#last) this.#finish(end, sink)
        continue
      }
      this.#take(plain, payload, end < bytes.length ? end : bytes.length, keep, sink)
    }
  }

  /** Adds a part of the open data frame. */
  #take(plain: Buffer, start: number, end: number, keep: boolean, sink: AssemblySink): void {
    const size = end - start
    if (this.#masked && keep) mask(plain, start, end, this.#key, this.#phase)
    this.#remaining -= size
    this.#phase = (this.#phase + size) & 3
    this.#size += size
    if (!keep) this.#lose(evictedProblem)
    else if (this.#size > this.#limit) this.#lose(`it is over the limit of ${this.#limit} bytes`)
    if (this.#remaining === 0 && this.#last && this.#problem === undefined && this.#parts.length === 0 && !this.#compressed) {
      // The usual case: one frame in one chunk.
      this.#size = 0
      this.direct = true
      sink.message(this.#binary, plain.subarray(start, end), undefined, end)
      this.direct = false
      return
    }
    if (this.#problem === undefined && size > 0) this.#parts.push(plain.subarray(start, end))
    if (this.#remaining === 0 && this.#last) this.#finish(end, sink)
  }

  #lose(problem: string): void {
    this.#problem ??= problem
    this.#parts = []
  }

  #finish(end: number, sink: AssemblySink): void {
    const parts = this.#parts
    let payload = parts.length === 0 ? empty : parts.length === 1 ? parts[0]! : Buffer.concat(parts)
    let problem = this.#problem
    if (this.#compressed && problem === undefined) {
      try {
        payload = inflate(payload, this.#limit)
      } catch (error) {
        problem = `it does not inflate: ${messageOf(error)}`
      }
    }
    if (parts.length > 1 || this.#compressed) this.allocated += payload.length
    this.#parts = []
    this.#size = 0
    this.#problem = undefined
    sink.message(this.#binary, payload, problem, end)
  }
}
