import type { Socket, TcpNetConnectOpts } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import type { Scope } from '../scope.ts'

/** Where the client wanted to go. */
export interface Destination {
  /** Host name or IP literal without brackets, as the client gave it. */
  readonly host: string
  readonly port: number
}

/**
 * One connection that a client wants to open, however it reached the engine. Nothing has happened to the client yet: it is still
 * connecting, and the engine chooses between `accept` and `fail`.
 */
export interface Inbound {
  readonly destination: Destination
  /** Whose code opened the socket. */
  readonly scope: Scope | undefined
  /** Whose request is the k-th on this socket, from 0; falls back to `scope`. Pooled sockets are opened by one test and used by another. */
  exchangeScope(k: number): Scope | undefined
  /** The client's own TLS options, once they are known; `undefined` for a client that is not in this process. */
  tlsOptions(): ConnectionOptions | undefined
  /** Opens the upstream connection with the client's own connect options; `to` sends it elsewhere. @throws the very error the client would have got */
  dial(to?: TcpNetConnectOpts): Promise<Socket>
  /** Lets the client's connect succeed and gives the engine's end of it. `upstream` lends its remote address to the client's socket. */
  accept(upstream?: Socket): Promise<Socket>
  /** Makes the client's connect, or its TLS handshake, fail with this very error object where that is possible, else with RST. */
  fail(error: Error): void
  /** Stack of the call that opened the connection, for leaks. */
  readonly stack: string | undefined
  /** Resolves when the client gives up before `accept`. */
  readonly gone: AbortSignal
}

/** What in-process capture hands its connections to. */
export interface CaptureTarget {
  /** Must call `accept` or `fail` sooner or later. */
  open(inbound: Inbound): void
}
