import type { Connection } from '../connection.ts'
import type { Side } from '../side.ts'
import type { LinkConditions } from './conditions.ts'
import type { HostMatch } from './host-match.ts'

/** What is wrong with the network, and for whom. */
export interface NetworkConditions extends LinkConditions {
  /** Only connections to these hosts: a name, `name:port`, an expression, or several. @default every host */
  readonly host?: HostMatch
  /** Only what this side sends. @default both */
  readonly from?: Side
  /**
   * Only this connection, or those of which a function says so, from their handshakes on. @default all that there is, HTTP requests and
   * other protocols too
   */
  readonly connection?: Connection | ((connection: Connection) => boolean)
  /**
   * 'tcp': also the TLS handshake is slowed and cut, and bytes are counted as they are on the wire; connections whose TLS stood before
   * meet it above their TLS. 'application': what TLS carries. Without TLS there is no difference. @default 'application'
   */
  readonly layer?: 'tcp' | 'application'
  /** Share of the connections, from 0 to 1, that meet it; drawn from the seed. @default 1 */
  readonly probability?: number
}

/** Conditions that are live until they are disposed, or the test that declared them ends. */
export interface NetworkHandle extends Disposable {
  readonly conditions: NetworkConditions
  /** Changes what is named, also in mid-stream; `undefined` takes a condition away. No byte is lost, repeated or out of order. */
  change(conditions: { readonly [K in keyof LinkConditions]: LinkConditions[K] | undefined }): void
  /** Takes them all away: what waited goes on, in order. */
  dispose(): void
}

/** How the network is away. */
export interface OutageOptions {
  /** Only these hosts. @default every host */
  readonly hosts?: HostMatch
  /**
   * What new connections fail with: ECONNREFUSED, ENETUNREACH, ENOTFOUND, or nothing until their client's own patience ends; those that
   * still wait when the network is back go on then. @default 'refused'
   */
  readonly error?: 'refused' | 'unreachable' | 'dns' | 'timeout'
  /**
   * How open connections end: with FIN or RST, and no close frame; 'silent': packets vanish, and connections stay open and mute until
   * the network is back. @default 'fin'
   */
  readonly end?: 'fin' | 'rst' | 'silent'
}

/** A network that is away until `goOnline`, or until the test that declared it ends. */
export interface Outage extends Disposable {
  goOnline(): void
}
