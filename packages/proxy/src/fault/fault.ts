import type { Head } from './piece.ts'

/** How the head of a queue goes on. */
export interface Departure {
  /** ms since the proxy started; `Infinity`: not before something changes. */
  readonly at: number
  /** Bytes that go together. @default the whole piece */
  readonly size?: number
  /** The connection ends behind them. */
  readonly cut?: 'fin' | 'rst'
}

/**
 * One thing that is wrong with one direction of a connection. It says when the head of a queue goes on, and how much of it; the queue
 * itself is the link's, so that a fault can come, change and go without losing, reordering or repeating a byte.
 */
export interface Fault {
  /** May be asked often about the same head and must answer the same. `last`: when the piece before it went on. */
  next(head: Head, last: number): Departure
  /** So much of the head has gone on. */
  left?(size: number, now: number): void
  /** The whole connection is reset then, whatever is on its way. */
  readonly resetAt?: number
  /** Bytes per second, where the fault limits them. */
  readonly rate?: number
  /** ms that a byte is under way, where the fault makes it so. */
  readonly delay?: number
}
