import type { Socket } from 'node:net'

/**
 * The engine's end of one side: the stream that carries the plain bytes, and the TCP socket under it. Resets go through the TCP
 * socket, because a TLS stream cannot send one.
 */
export class Leg {
  readonly stream: Socket
  readonly raw: Socket

  constructor(raw: Socket, stream: Socket = raw) {
    this.raw = raw
    this.stream = stream
    // An error is always followed by 'close'; without a listener it would crash the worker.
    raw.on('error', ignore)
    if (stream !== raw) stream.on('error', ignore)
  }

  /** FIN, after what was written; for TLS a close-notify before it. */
  end(): void {
    if (!this.stream.destroyed && !this.stream.writableEnded) this.stream.end()
  }

  /** RST, at once: what was written and not yet sent is lost. */
  reset(): void {
    if (!this.raw.destroyed) this.raw.resetAndDestroy()
    this.stream.destroy()
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

function ignore(): void {
  // 'close' tells the story; see the constructor.
}

/** True if `error` says that the peer sent RST, or was gone when we wrote. */
export function isReset(error: unknown): boolean {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return code === 'ECONNRESET' || code === 'EPIPE' || code === 'ECONNABORTED'
}
