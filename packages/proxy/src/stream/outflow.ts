import { Readable } from 'node:stream'

/** A body that is written as it goes: what is pushed is handed on in the same turn, where its reader has room. */
export class Outflow extends Readable {
  readonly #onRoom: () => void
  #full = false
  #ended = false

  /** `onRoom`: its reader has taken what it was too slow for. */
  constructor(onRoom: () => void) {
    super({ highWaterMark: 64 * 1024 })
    this.#onRoom = onRoom
    // Who reads it learns that it broke off by other means.
    this.on('error', () => {})
  }

  /** Bytes that its reader has not taken, once that is too slow. */
  get backlog(): number {
    return this.#full ? this.readableLength : 0
  }

  write(bytes: Uint8Array): void {
    if (!this.destroyed && !this.#ended && !this.push(bytes)) this.#full = true
  }

  end(): void {
    if (this.#ended || this.destroyed) return
    this.#ended = true
    this.push(null)
  }

  override _read(): void {
    if (!this.#full) return
    this.#full = false
    this.#onRoom()
  }
}
