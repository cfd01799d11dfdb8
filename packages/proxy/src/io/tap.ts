import type { Connection } from '../connection.ts'
import { messageOf, MidwireError } from '../errors.ts'
import type { Side } from '../side.ts'

/**
 * Is given each upgraded connection, and its bytes behind the handshake as they come from either side, before any rule. What it does with
 * them, or does not, never holds up the traffic.
 */
export type Tap = (request: Connection, fromClient: ReadableStream<Uint8Array>, fromServer: ReadableStream<Uint8Array>) => void

export interface TapOptions {
  /** Bytes that may wait for the reader of one direction; then its stream ends with an error, behind what has waited. @default 1 MiB */
  readonly limit?: number
}

/** What a pump tells of its bytes. */
export interface TapFeed {
  take(from: Side, bytes: Uint8Array): void
  end(from: Side): void
}

export interface TapsOptions {
  /** A line of the journal. */
  readonly note: (connection: Connection, text: string) => void
  readonly onFailure: (connection: Connection, error: Error) => void
}

const mebibyte = 1024 * 1024

/** Who listens to upgraded connections. */
export class Taps {
  readonly #options: TapsOptions
  readonly #taps = new Map<symbol, { readonly tap: Tap; readonly limit: number }>()

  constructor(options: TapsOptions) {
    this.#options = options
  }

  /** From the next connection on, until it is disposed. @throws MidwireError MIDWIRE_BAD_INPUT on what cannot be meant */
  add(tap: Tap, { limit = mebibyte }: TapOptions = {}): Disposable {
    if (typeof tap !== 'function') throw new MidwireError('MIDWIRE_BAD_INPUT', `tap(): expected a function, got ${typeof tap}`)
    if (!(Number.isFinite(limit) && limit >= 1))
      throw new MidwireError('MIDWIRE_BAD_INPUT', `tap(fn, { limit }): ${String(limit)} — expected a number of bytes, 1 or more`)
    const key = Symbol('tap')
    this.#taps.set(key, { tap, limit })
    return { [Symbol.dispose]: () => void this.#taps.delete(key) }
  }

  /** Hands the streams of a connection out; `undefined` where nobody listens. */
  open(connection: Connection): TapFeed | undefined {
    if (this.#taps.size === 0) return undefined
    const feeds = [...this.#taps.values()].map(({ tap, limit }) => {
      const streamFrom = (from: Side): TapStream =>
        new TapStream(limit, () =>
          this.#options.note(connection, `a tap fell behind by ${limit} bytes from the ${from}; the traffic went on without it`),
        )
      const streams = { client: streamFrom('client'), server: streamFrom('server') }
      try {
        tap(connection, streams.client.stream, streams.server.stream)
      } catch (cause) {
        const text = `a tap threw for ${connection.url}: ${messageOf(cause)}`
        this.#options.onFailure(connection, new MidwireError('MIDWIRE_RULE_FAILED', text, { cause }))
      }
      return streams
    })
    return {
      take: (from, bytes) => feeds.forEach(streams => streams[from].push(bytes)),
      end: from => feeds.forEach(streams => streams[from].end()),
    }
  }
}

/** Bytes that wait for a reader, who is never waited for. */
class TapStream {
  readonly stream: ReadableStream<Uint8Array>
  readonly #limit: number
  readonly #onLoss: () => void
  readonly #waiting: Uint8Array[] = []
  #weight = 0
  #state: 'flowing' | 'ended' | 'lost' | 'cancelled' = 'flowing'
  #wake: (() => void) | undefined

  constructor(limit: number, onLoss: () => void) {
    this.#limit = limit
    this.#onLoss = onLoss
    this.stream = new ReadableStream<Uint8Array>(
      { pull: controller => this.#pull(controller), cancel: () => this.#stop('cancelled') },
      // Nothing is taken from what waits before somebody reads: it counts as long as it waits.
      { highWaterMark: 0 },
    )
  }

  push(bytes: Uint8Array): void {
    if (this.#state !== 'flowing') return
    if (this.#weight + bytes.length > this.#limit) {
      this.#onLoss()
      return this.#stop('lost')
    }
    // The receiver of the traffic may be given the very same memory.
    this.#waiting.push(Uint8Array.from(bytes))
    this.#weight += bytes.length
    this.#wake?.()
  }

  end(): void {
    if (this.#state === 'flowing') this.#stop('ended')
  }

  #stop(state: 'ended' | 'lost' | 'cancelled'): void {
    this.#state = state
    if (state === 'cancelled') this.#waiting.length = 0
    this.#wake?.()
  }

  async #pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    if (this.#waiting.length === 0 && this.#state === 'flowing') {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#wake = resolve
      await promise
      this.#wake = undefined
    }
    const bytes = this.#waiting.shift()
    if (bytes) {
      this.#weight -= bytes.length
      controller.enqueue(bytes)
    } else if (this.#state === 'ended') controller.close()
    else if (this.#state === 'lost')
      controller.error(
        new MidwireError('MIDWIRE_BAD_USE', `the reader of a tap fell behind by ${this.#limit} bytes; expected one that reads`),
      )
  }
}
