import type { Side } from '../side.ts'

/** A connection that was relayed as bytes which nobody looked into; filled in as they go by. */
export interface Tunnel {
  /** What the client wanted to reach. */
  readonly host: string
  readonly port: number
  /** ms since the proxy started. */
  readonly at: number
  /** Bytes that each side has sent so far. */
  readonly bytesFrom: Readonly<Record<Side, number>>
  /** When both ends were gone, ms since the proxy started; `undefined` until then. */
  readonly endedAt: number | undefined
}

/** The same, for who relays. */
export interface TunnelRecord extends Tunnel {
  readonly bytesFrom: Record<Side, number>
  endedAt: number | undefined
}
