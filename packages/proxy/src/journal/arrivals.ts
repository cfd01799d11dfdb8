import type { Finding } from './chunk-record.ts'
import { JournalledMessage } from './journalled-message.ts'

/** The messages that a chunk completed, for the one who passes judgement on them, frame by frame. */
export class Arrivals {
  readonly #findings: readonly Finding[]
  readonly #rests: readonly Uint8Array[]
  #at = 0
  #rest = 0

  constructor(findings: readonly Finding[], rests: readonly Uint8Array[]) {
    this.#findings = findings
    this.#rests = rests
  }

  /** The next message, if its last frame ends at `end`. */
  next(end: number): JournalledMessage | undefined {
    let finding = this.#findings[this.#at]
    while (finding !== undefined && !(finding instanceof JournalledMessage)) finding = this.#findings[++this.#at]
    if (finding?.end !== end) return undefined
    this.#at++
    return finding
  }

  /** True if the next finding is another message of the frame that ends at `end`. */
  more(end: number): boolean {
    const finding = this.#findings[this.#at]
    return finding instanceof JournalledMessage && finding.end === end
  }

  /** What a codec with state had left over after the next WebSocket message. */
  nextRest(): Uint8Array | undefined {
    return this.#rests[this.#rest++]
  }
}
