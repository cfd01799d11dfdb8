import { EventEmitter } from 'node:events'
import type { PumpLeg, PumpStream } from '../io/pump.ts'

/** What a leg needs of the message stream that it is a side of. */
export interface StreamLegHost {
  write(bytes: Buffer): void
  mark(id: number): void
  /** Nothing more goes to this side; 'fin' and 'rst' end what is still under way on it. */
  ended(how: 'fin' | 'rst'): void
  setPaused(paused: boolean): void
  /** Bytes that a slow receiver has not taken. */
  readonly backlog: number
}

/** One side of a message stream, where a WebSocket has a socket: what is written to it goes into bodies. */
export class StreamLeg extends EventEmitter implements PumpLeg, PumpStream {
  closed = false
  wasReset = false
  readonly #host: StreamLegHost

  constructor(host: StreamLegHost) {
    super()
    this.#host = host
  }

  get stream(): PumpStream {
    return this
  }

  get writable(): boolean {
    return !this.closed
  }

  get writableLength(): number {
    return this.#host.backlog
  }

  write(bytes: Buffer): boolean {
    this.#host.write(bytes)
    return this.#host.backlog === 0
  }

  mark(id: number): void {
    this.#host.mark(id)
  }

  pause(): void {
    this.#host.setPaused(true)
  }

  resume(): void {
    this.#host.setPaused(false)
  }

  end(): void {
    this.#close('fin')
  }

  reset(): void {
    this.#close('rst')
  }

  destroy(): void {
    this.#close('fin')
  }

  #close(how: 'fin' | 'rst'): void {
    if (this.closed) return
    this.closed = true
    this.#host.ended(how)
    // As a socket does: not while its owner is still at it.
    queueMicrotask(() => this.emit('close'))
  }
}
