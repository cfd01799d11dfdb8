import { isNativeError } from 'node:util/types'
import type { Socket } from 'node:net'

/**
 * The engine's end of one side: the stream that carries the plain bytes, and the TCP socket under it. Resets go through the TCP
 * socket, because a TLS stream cannot send one.
 */
export class Leg {
  readonly stream: Socket
  readonly raw: Socket
  #wasReset = false

  constructor(raw: Socket, stream: Socket = raw) {
    this.raw = raw
    this.stream = stream
    // An error is always followed by 'close'; without a listener it would crash the worker.
    const onError = (error: Error): void => {
      this.#wasReset ||= isReset(error)
    }
    raw.on('error', onError)
    if (stream !== raw) stream.on('error', onError)
  }

  /** True once the peer has sent RST, or was gone when it was written to. */
  get wasReset(): boolean {
    return this.#wasReset
  }

  /** FIN, after what was written; for TLS a close-notify before it. */
  end(): void {
    if (!this.stream.destroyed && !this.stream.writableEnded) this.stream.end()
  }

  /** RST, at once: what was written and not yet sent is lost. */
  reset(): void {
    if (this.raw.destroyed) return
    // libuv refuses to reset while a FIN is on its way, and the socket would then never close.
    if (this.raw.writableEnded && !this.raw.writableFinished) {
      this.raw.once('finish', () => this.reset())
      return
    }
    this.raw.resetAndDestroy()
    // Without this, Node would send a FIN first.
    this.raw.destroy()
    this.stream.destroy()
  }

  /** Ends as `other` has ended: RST as RST, anything else as FIN. */
  endLike(other: Leg): void {
    if (other.wasReset) this.reset()
    else this.end()
  }

  destroy(): void {
    this.stream.destroy()
    this.raw.destroy()
  }

  /** True once nothing more can be written or read. */
  get closed(): boolean {
    return this.stream.destroyed
  }
}

/** True if `error` says that the peer sent RST, or was gone when we wrote. */
export function isReset(error: unknown): boolean {
  // Not `instanceof`: under vmThreads Node's errors are of another realm.
  const code = isNativeError(error) ? (error as NodeJS.ErrnoException).code : undefined
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ECONNABORTED'
}
