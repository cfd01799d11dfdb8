import type { Socket } from 'node:net'

/** More than this before the 101 and reading stops: the rest waits in the kernel. */
const limit = 1024 * 1024

/**
 * What a client sends behind its upgrade request while the answer is awaited (RFC 6455 §4.1 asks it to wait, not all do). Reading
 * goes on meanwhile, because only a stream that is read tells that the client has left.
 */
export class EarlyBytes {
  readonly #stream: Socket
  readonly #chunks: Buffer[]
  #length: number
  #onEnd: (() => void) | undefined

  constructor(stream: Socket, head: Buffer) {
    this.#stream = stream
    this.#chunks = head.length > 0 ? [head] : []
    this.#length = head.length
    stream.on('data', this.#collect).on('end', this.#end).on('close', this.#end)
    stream.resume()
  }

  onEnd(listener: () => void): void {
    this.#onEnd = listener
  }

  /** All bytes so far; the next go to whoever listens from now on. */
  take(): Buffer {
    this.#stream.off('data', this.#collect).off('end', this.#end).off('close', this.#end)
    if (this.#length > limit) this.#stream.resume()
    return this.#chunks.length === 1 && this.#chunks[0] ? this.#chunks[0] : Buffer.concat(this.#chunks)
  }

  readonly #collect = (chunk: Buffer): void => {
    this.#chunks.push(chunk)
    this.#length += chunk.length
    if (this.#length > limit) this.#stream.pause()
  }

  readonly #end = (): void => {
    this.#stream.off('end', this.#end).off('close', this.#end)
    this.#onEnd?.()
  }
}
