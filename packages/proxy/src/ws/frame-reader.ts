import type { Side } from '../side.ts'
import { Opcode } from './frame.ts'

/** What a peer did that RFC 6455 forbids. */
export interface FrameViolation {
  readonly what: string
  /** `RFC 6455 §5.1` and the like. */
  readonly section: string
}

/** What the first byte of a frame means; 0 for a byte that may not stand there. */
const Step = { forbidden: 0, whole: 1, start: 2, more: 3, last: 4, control: 5, close: 6 } as const

const empty = Buffer.alloc(0)

/**
 * Finds the frames in the bytes of one side. Each push cuts so that no frame header and no control frame is ever split: what is
 * short of that is carried in front of the next chunk. It makes no object per frame; the fields tell of the last push.
 */
export class FrameReader {
  /** What can go on: frames and parts of data frames. */
  bytes: Buffer = empty
  /** Offset in `bytes` of the first header; what is before it belongs to a frame that began earlier. */
  first = 0
  /** Offset in `bytes` of a close frame, which is then the last; -1 without. */
  closeAt = -1
  /** What follows a close frame or a violation, to be relayed unread; `undefined` while neither has been seen. */
  opaque: Buffer | undefined
  violation: FrameViolation | undefined
  /** Data messages whose last frame has begun, since the start. */
  messages = 0

  readonly #from: Side
  readonly #outside: Uint8Array
  readonly #inside: Uint8Array
  #table: Uint8Array
  #carried: Buffer = empty
  #remaining = 0

  constructor(from: Side, { deflate }: { readonly deflate: boolean }) {
    this.#from = from
    this.#outside = deflate ? outsideDeflated : outsidePlain
    this.#inside = inside
    this.#table = this.#outside
  }

  /** True if a data frame has begun whose last byte is still to come. */
  get insideFrame(): boolean {
    return this.#remaining > 0
  }

  /** True if a data message has begun whose last byte is still to come. */
  get insideMessage(): boolean {
    return this.#remaining > 0 || this.#table === this.#inside
  }

  /** True if the data frame in progress is the last of its message. */
  get insideLastFrame(): boolean {
    return this.#remaining > 0 && this.#table === this.#outside
  }

  push(chunk: Buffer): void {
    const bytes = this.#carried.length === 0 ? chunk : Buffer.concat([this.#carried, chunk])
    if (this.#carried.length > 0) this.#carried = empty
    const size = bytes.length
    this.closeAt = -1
    if (this.opaque) {
      this.opaque = bytes
      this.bytes = empty
      this.first = 0
      return
    }
    let at = this.#remaining
    this.first = at < size ? at : size
    let table = this.#table
    // §5.1: a client masks, a server does not
    const maskBit = this.#from === 'client' ? 0x80 : 0
    const shortest = this.#from === 'client' ? 6 : 2
    while (at < size) {
      const left = size - at
      if (left < 2) break
      const step = table[bytes[at]!]!
      const second = bytes[at + 1]!
      let length = second & 0x7f
      let header = shortest
      if (step === Step.forbidden || (second & 0x80) !== maskBit || (step >= Step.control && length > 125)) {
        this.#table = table
        this.violation = this.#explain(bytes[at]!, second)
        break
      }
      if (length > 125) {
        header += length === 126 ? 2 : 8
        if (left < header) break
        if (length === 126) {
          length = (bytes[at + 2]! << 8) | bytes[at + 3]!
        } else {
          const high = bytes.readUInt32BE(at + 2)
          if (high > 0x1fffff) {
            this.violation = tooLong
            break
          }
          length = high * 2 ** 32 + bytes.readUInt32BE(at + 6)
        }
      } else if (left < header) break
      const next = at + header + length
      if (step === Step.whole) this.messages++
      else if (step === Step.start) table = this.#inside
      else if (step === Step.last) {
        table = this.#outside
        this.messages++
      } else if (step >= Step.control) {
        if (next > size) break
        if (step === Step.close) {
          this.closeAt = at
          at = next
          break
        }
      }
      at = next
    }
    this.#table = table
    this.#cut(bytes, at)
  }

  /** The bytes carried for a frame that will not come any more: the sender has ended. */
  end(): Buffer {
    const carried = this.#carried
    this.#carried = empty
    return carried
  }

  #cut(bytes: Buffer, at: number): void {
    if (at >= bytes.length) {
      this.bytes = bytes
      this.#remaining = at - bytes.length
      if (this.closeAt >= 0) this.opaque = empty
      return
    }
    this.bytes = bytes.subarray(0, at)
    this.#remaining = 0
    if (this.first > at) this.first = at
    // §5.5.1: after a close frame no data may come; what comes all the same is the receiver's to judge
    if (this.closeAt >= 0 || this.violation) this.opaque = bytes.subarray(at)
    else this.#carried = Buffer.from(bytes.subarray(at))
  }

  #explain(first: number, second: number): FrameViolation {
    const opcode = first & 0x0f
    const name = `opcode 0x${opcode.toString(16)}`
    if ((first & 0x30) !== 0) return { what: 'RSV2 or RSV3 set with no extension that defines it', section: 'RFC 6455 §5.2' }
    if ((opcode > 2 && opcode < 8) || opcode > 10) return { what: `reserved ${name}`, section: 'RFC 6455 §5.2' }
    if (opcode >= 8 && (first & 0x80) === 0) return { what: `fragmented control frame, ${name}`, section: 'RFC 6455 §5.5' }
    if (opcode >= 8 && (second & 0x7f) > 125) return { what: `control frame over 125 bytes, ${name}`, section: 'RFC 6455 §5.5' }
    const fragmented = this.#table === this.#inside
    if (opcode === Opcode.continuation && !fragmented)
      return { what: 'continuation frame with no message to continue', section: 'RFC 6455 §5.4' }
    if (opcode !== Opcode.continuation && opcode < 8 && fragmented)
      return { what: `${name} inside a fragmented message`, section: 'RFC 6455 §5.4' }
    if ((first & 0x40) !== 0) return { what: `RSV1 set where nothing that was agreed defines it, ${name}`, section: 'RFC 6455 §5.2' }
    const masked = (second & 0x80) !== 0
    return { what: masked ? 'masked frame from a server' : 'unmasked frame from a client', section: 'RFC 6455 §5.1' }
  }
}

const tooLong: FrameViolation = { what: 'payload length over 2^53 - 1', section: 'RFC 6455 §5.2' }

const outsidePlain = table(false, false)
const outsideDeflated = table(false, true)
const inside = table(true, false)

function table(fragmented: boolean, deflate: boolean): Uint8Array {
  const steps = new Uint8Array(256)
  steps[0x80 | Opcode.close] = Step.close
  steps[0x80 | Opcode.ping] = Step.control
  steps[0x80 | Opcode.pong] = Step.control
  if (fragmented) {
    steps[Opcode.continuation] = Step.more
    steps[0x80 | Opcode.continuation] = Step.last
    return steps
  }
  // RFC 7692 §6: RSV1 stands on the first frame of a compressed message
  for (const rsv of deflate ? [0, 0x40] : [0]) {
    for (const opcode of [Opcode.text, Opcode.binary]) {
      steps[rsv | opcode] = Step.start
      steps[0x80 | rsv | opcode] = Step.whole
    }
  }
  return steps
}
