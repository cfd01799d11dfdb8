import { isNativeError } from 'node:util/types'
import type { Socket } from 'node:net'
import { type Clock, realClock } from './clock.ts'
import { LegLink } from './leg-link.ts'
import type { Road } from './road.ts'

/**
 * The engine's end of one side: the stream that carries the plain bytes, and the TCP socket under it. Resets go through the TCP
 * socket, because a TLS stream cannot send one.
 */
export class Leg {
  readonly stream: Socket
  readonly raw: Socket
  /** The leg that this one's TLS runs over, where that is one of its own. */
  readonly under: Leg | undefined
  /** The connection that it is a leg of, once that is known. */
  road: Road | undefined
  #over: Leg | undefined
  #link: LegLink | undefined
  #wasReset = false

  constructor(raw: Socket, stream: Socket = raw, under?: Leg) {
    this.raw = raw
    this.stream = stream
    this.under = under
    this.road = under?.road
    // An error is always followed by 'close'; without a listener it would crash the worker.
    const onError = (error: Error): void => {
      this.#wasReset ||= isReset(error)
    }
    // Relay, parser, rules and network each look at the same socket.
    raw.setMaxListeners(30)
    raw.on('error', onError)
    if (stream !== raw) stream.on('error', onError)
    if (!under) return
    under.#over = this
    under.road?.changed()
  }

  /** True once the peer has sent RST, or was gone when it was written to. */
  get wasReset(): boolean {
    return this.#wasReset
  }

  /** The same, with all the TLS that has been put on it. */
  get top(): Leg {
    return this.#over?.top ?? this
  }

  /** What the conditions of the network are applied to; while there are none, it does nothing. */
  linkOn(clock: Clock): LegLink {
    return (this.#link ??= new LegLink(this.stream, clock, {
      raw: this.raw,
      reset: () => this.#resetNow(),
      destroy: () => this.#destroyNow(),
      cut: how => this.road?.cut(how),
    }))
  }

  get link(): LegLink | undefined {
    return this.#link
  }

  /** FIN, after what was written; for TLS a close-notify before it. */
  end(): void {
    if (!this.stream.destroyed && !this.stream.writableEnded) this.stream.end()
  }

  /** RST, at once: what was written and not yet sent is lost. On a network with conditions, it has its place in what is on its way. */
  reset(): void {
    if (this.raw.destroyed) return
    if (this.#link?.isLive) this.#link.end('rst')
    else this.#resetNow()
  }

  #resetNow(): void {
    if (this.raw.destroyed) return
    // libuv refuses to reset while a FIN is on its way, and the socket would then never close.
    if (this.raw.writableEnded && !this.raw.writableFinished) {
      this.raw.once('finish', () => this.#resetNow())
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
    if (this.#link?.isLive) this.#link.end('gone')
    else this.#destroyNow()
  }

  /** True once the network has ended it. */
  get isCut(): boolean {
    return this.top.link?.isCut === true
  }

  /** The network ends it at once: what is on its way is lost, and nothing of TLS is said. */
  cut(how: 'fin' | 'rst'): void {
    if (!this.closed) this.linkOn(realClock).cut(how)
  }

  #destroyNow(): void {
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
