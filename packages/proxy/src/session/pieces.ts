import type { Side } from '../side.ts'
import type { Outbox } from './outbox.ts'

interface Piece {
  readonly bytes: Buffer
  readonly start: number
  end: number
  /** A ping or pong between the frames of a message. */
  readonly control: boolean
}

/** Raw bytes on their way, as ranges of the chunks they came in. */
export class Pieces {
  /** Bytes, without pings and pongs. */
  size = 0
  #pieces: Piece[] = []
  #hasControl = false

  get empty(): boolean {
    return this.#pieces.length === 0
  }

  add(bytes: Buffer, start: number, end: number, control = false): void {
    if (start === end) return
    if (control) this.#hasControl = true
    else this.size += end - start
    const last = this.#pieces[this.#pieces.length - 1]
    if (last && last.bytes === bytes && last.end === start && last.control === control) last.end = end
    else this.#pieces.push({ bytes, start, end, control })
  }

  /** Moves all of `other` to the end of these. */
  take(other: Pieces): void {
    for (const { bytes, start, end, control } of other.#pieces) this.add(bytes, start, end, control)
    other.#pieces = []
    other.size = 0
    other.#hasControl = false
  }

  /** Writes everything, in order, and is empty then. */
  write(to: Side, outbox: Outbox): void {
    for (const { bytes, start, end } of this.#pieces) outbox.range(to, bytes, start, end)
    this.#pieces = []
    this.size = 0
    this.#hasControl = false
  }

  /** Writes the pings and pongs, which must not wait, and keeps the rest. */
  writeControl(to: Side, outbox: Outbox): void {
    if (!this.#hasControl) return
    this.#hasControl = false
    for (const { bytes, start, end, control } of this.#pieces) if (control) outbox.range(to, bytes, start, end)
    this.#pieces = this.#pieces.filter(piece => !piece.control)
  }
}
