import { EventEmitter } from 'node:events'
import { constants } from 'node:http2'
import type { Readable, Writable } from 'node:stream'
import type { Cut } from '../http/sides.ts'
import type { PumpLeg, PumpStream } from '../io/pump.ts'

export interface ExchangeLegSide {
  readonly incoming: Readable
  readonly outgoing: Writable
  cut(cut: Cut): void
}

/** One side of an exchange whose two bodies are a connection of their own (RFC 8441 §5): END_STREAM is its FIN, RST_STREAM its RST. */
export class ExchangeLeg extends EventEmitter implements PumpLeg, PumpStream {
  closed = false
  wasReset = false
  readonly #side: ExchangeLegSide

  constructor(side: ExchangeLegSide) {
    super()
    this.#side = side
    side.incoming.on('data', (chunk: Buffer) => this.emit('data', chunk))
    side.incoming.on('end', () => this.emit('end'))
    side.outgoing.on('drain', () => this.emit('drain'))
  }

  get stream(): PumpStream {
    return this
  }

  get writable(): boolean {
    return !this.closed && this.#side.outgoing.writable
  }

  get writableLength(): number {
    return this.#side.outgoing.writableLength
  }

  write(bytes: Uint8Array): boolean {
    return this.#side.outgoing.write(bytes)
  }

  pause(): void {
    this.#side.incoming.pause()
  }

  resume(): void {
    this.#side.incoming.resume()
  }

  end(): void {
    if (!this.#side.outgoing.writableEnded) this.#side.outgoing.end()
  }

  reset(): void {
    if (!this.closed) this.#side.cut({ how: 'rst', code: constants.NGHTTP2_CANCEL })
  }

  destroy(): void {
    if (this.closed) return
    this.end()
    this.#side.cut({ how: 'rst', code: constants.NGHTTP2_NO_ERROR })
  }

  /** Its stream has closed. */
  over(how: Cut['how'] | undefined): void {
    if (this.closed) return
    this.closed = true
    this.wasReset = how === 'rst'
    this.emit('close')
  }
}
