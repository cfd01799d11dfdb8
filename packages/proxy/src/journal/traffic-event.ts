import type { Connection } from '../connection.ts'
import type { Message } from '../message.ts'
import type { Scope } from '../scope.ts'
import type { Side } from '../side.ts'
import type { Tunnel } from './tunnel-record.ts'

interface EventBase {
  /** Total order over everything that the proxy saw. */
  readonly seq: number
  /** ms since the proxy started. */
  readonly at: number
  readonly scope: Scope
}

/** A body that the journal keeps, within its limits, as long as there is room. */
export interface KeptContent {
  /** Without its content coding (RFC 9110 §8.4): what has come of it so far; `undefined` where it is not kept. */
  readonly body: Uint8Array | undefined
  /** `body` read as UTF-8. */
  readonly text: string | undefined
  /** `body` as JSON; `undefined` where it is none. */
  readonly json: unknown
  /** True once the whole body has come. */
  readonly complete: boolean
  /** Why `body` is not kept, or cannot be decoded. */
  readonly lack: string | undefined
}

/** One HTTP request and its response, filled in as they go by. `body` and its like are the request's. */
export interface Exchange extends KeptContent {
  /** From 1, over the whole proxy. */
  readonly id: number
  readonly version: '1.0' | '1.1' | '2'
  readonly method: string
  readonly url: string
  readonly host: string
  readonly port: number
  readonly path: string
  readonly query: Readonly<Record<string, string | string[]>>
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly rawHeaders: readonly string[]
  readonly at: number
  /** What upstream answered; where it was never asked, what a rule answered in its place. */
  readonly response: ExchangeResponse | undefined
  /** What the client got: `response` itself, unless a rule changed it; `undefined` while it has got no head. */
  readonly delivered: ExchangeResponse | undefined
  /** The rule that decided, if one did: its name, or its start and place. */
  readonly decidedBy: string | undefined
  /** What that rule did: 'respondWith', 'hold', 'fault' … */
  readonly decision: string | undefined
  /** When the last byte of the response was written; `undefined` until then. */
  readonly endedAt: number | undefined
  /** Why it ended early, if it did. */
  readonly failure: string | undefined
  /** Bytes of the request's body, as they came. */
  readonly requestBytes: number
  /** Bytes of the response's body, as upstream sent them. */
  readonly responseBytes: number
}

export interface ExchangeResponse extends KeptContent {
  readonly status: number
  readonly statusText: string
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly rawHeaders: readonly string[]
  readonly at: number
}

/** All that can be seen on the wire. */
export type TrafficEvent =
  /** A client asked for a TCP connection, in the order of asking. */
  | (EventBase & { readonly kind: 'tcp'; readonly host: string; readonly port: number; readonly outcome: () => string })
  /** An upgrade request arrived. */
  | (EventBase & { readonly kind: 'handshake'; readonly connection: Connection })
  /** The handshake came to another end than a 101, and the connection never opened. */
  | (EventBase & {
      readonly kind: 'refused'
      readonly connection: Connection
      /** Of the response that the client got; `undefined` if it got none. */
      readonly status: number | undefined
      /** Who refused and how, for people: `503 Service Unavailable from upstream`. */
      readonly text: string
    })
  /** The 101 was written to the client. */
  | (EventBase & { readonly kind: 'connection'; readonly connection: Connection })
  | (EventBase & { readonly kind: 'message'; readonly connection: Connection; readonly from: Side; readonly message: Message })
  | (EventBase & { readonly kind: 'ping' | 'pong'; readonly connection: Connection; readonly from: Side; readonly payload: Uint8Array })
  /** `code` 1005 stands for an empty close frame (RFC 6455 §7.1.5). */
  | (EventBase & {
      readonly kind: 'close'
      readonly connection: Connection
      readonly from: Side
      readonly code: number
      readonly reason: string
    })
  /** A leg ended: FIN or RST. */
  | (EventBase & { readonly kind: 'end'; readonly connection: Connection; readonly from: Side; readonly how: 'fin' | 'rst' })
  /** Midwire itself ended both legs, with no close frame of a peer before: RFC 6455 §7.1.5 calls that 1006. */
  | (EventBase & { readonly kind: 'terminated'; readonly connection: Connection; readonly how: 'fin' | 'rst' })
  /** Midwire itself did something on a connection: wrote, closed, terminated, discarded. `from` is the side it stood in for, if one. */
  | (EventBase & {
      readonly kind: 'injected'
      readonly connection: Connection
      readonly to: Side
      readonly what: string
      readonly bytes: Uint8Array
      /** What the bytes were encoded from; absent where they were given as they are. */
      readonly value?: unknown
    })
  | (EventBase & { readonly kind: 'request'; readonly exchange: Exchange })
  | (EventBase & { readonly kind: 'response'; readonly exchange: Exchange })
  /** A connection is relayed untouched: its host is not intercepted, or it speaks neither TLS nor HTTP. */
  | (EventBase & { readonly kind: 'tunnel'; readonly tunnel: Tunnel })
  /** A line for people: a protocol error, a discard, a pause of reading, a refused late connection. */
  | (EventBase & { readonly kind: 'note'; readonly connection: Connection | undefined; readonly text: string })
