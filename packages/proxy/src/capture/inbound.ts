import type { Socket, TcpNetConnectOpts } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { MidwireError } from '../errors.ts'
import type { Scope } from '../scope.ts'
import type { ConnectFailure } from './connect-failure.ts'

/** Where the client wanted to go. */
export interface Destination {
  /** Host name or IP literal without brackets, as the client gave it. */
  readonly host: string
  readonly port: number
}

/**
 * One connection that a client wants to open, however it reached the engine. Nothing has happened to the client yet: it is still
 * connecting, and the engine chooses between `accept` and `fail`.
 *
 * What the engine does with it, when no rule says otherwise: `dial()`; on failure `fail(error)` with that very error; on success
 * `accept(upstream)`, then attach listeners to both sockets in the same turn. If the client speaks first, with a ClientHello, TLS is put
 * on upstream with `tls.connect({ ...tlsOptions(), socket: upstream })`, whose failure is `fail(error)` again, and then taken off the
 * client's end with `authority.secureContextFor(serverName ?? destination.host)`. `tlsObstacle()` says, by then, why the client would not
 * believe us. An end that the raw socket has read before TLS is put over it is not seen by TLS: it must be passed on by hand. A server
 * may also refuse a client's certificate after both handshakes (RFC 8446 §4.4.2): `fail(error)` serves then too.
 */
export interface Inbound {
  readonly destination: Destination
  /** Whose code opened the socket. */
  readonly scope: Scope | undefined
  /**
   * Whose request is the k-th that goes out on this socket, from 0, a CONNECT and an upgrade included; `scope` where that is not known.
   * Ask when the request's head has arrived. Pooled sockets are opened by one test and used by another.
   */
  exchangeScope(k: number): Scope | undefined
  /**
   * Whose request goes out as the HTTP/2 stream `id` of this socket; `scope` where that is not known. Ask once, when the request's head
   * has arrived: tests share a session.
   */
  streamScope(id: number): Scope | undefined
  /**
   * The client's own TLS options, fit for the upstream leg (`socket` is the engine's to add), once it has begun TLS; `undefined` before, and
   * for a client whose options cannot be known: one outside this process, or that makes its `TLSSocket` by hand.
   */
  tlsOptions(): ConnectionOptions | undefined
  /**
   * Resolves once `tlsOptions` and `tlsObstacle` can be asked, after the client has begun TLS. @default at once
   */
  tlsTold?(): Promise<void>
  /** Why this client cannot trust the authority, once it has begun TLS: the engine fails a scoped connection with it, and tunnels another. */
  tlsObstacle(): MidwireError | undefined
  /**
   * Opens the upstream connection with the client's own connect options, showing the client each step; `to` sends it elsewhere, unseen.
   * The socket is half-open and has no listeners. @throws the very error the client would have got
   */
  dial(to?: TcpNetConnectOpts): Promise<Socket>
  /**
   * Lets the client's connect succeed and gives the engine's end of it: half-open, not flowing. `upstream` lends its remote address to the
   * client's socket, and is destroyed with it if that fails. @throws gone.reason if the client gave up
   */
  accept(upstream?: Socket): Promise<Socket>
  /**
   * Makes the client's connect, or after `accept` its TLS handshake, fail with this very error object where that is possible, else with
   * RST. Does nothing once the client is gone.
   */
  fail(error: Error): void
  /** Shows the client an attempt that is going to get no answer, or one that is answered where there is no upstream. */
  beginAttempt(): void
  /** Before `accept`: makes the client's connect fail as Node's own attempts would, and shows them. */
  failAttempts(failure: ConnectFailure): void
  /** Before `accept`: makes the client's connect fail as Node would when it cannot find an address for the name. */
  failLookup(error: Error): void
  /** True once the client reads nothing more, and does not only write nothing more. @default that cannot be known */
  hasClosed?(): boolean
  /** Stack of the call that opened the connection, for leaks. */
  readonly stack: string | undefined
  /** Aborts when the client gives up before `accept`; a dial under way ends with it. */
  readonly gone: AbortSignal
}

/** What in-process capture hands its connections to. */
export interface CaptureTarget {
  /** True for the scopes of its own tree, ended ones included: whose connections it takes. Outside any scope, the newest target takes them. */
  owns(scope: Scope): boolean
  /** Must call `accept` or `fail` sooner or later. Called in the turn, and in the async context, of the client's `connect()`. */
  open(inbound: Inbound): void
}
