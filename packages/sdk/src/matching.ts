import type { ControlFrame, Exchange, HandshakeFacts, Message, RequestFacts, Transport } from '@midwire/proxy'

/** vitest's and jest's `expect.any(String)`, `expect.objectContaining(…)` and the like. */
export interface AsymmetricMatcher {
  asymmetricMatch(other: unknown): boolean
}

type Leaf = string | number | bigint | boolean | symbol | null | undefined | Uint8Array | Date | RegExp

/** `unknown` without swallowing the functions that stand beside it in a union: predicates keep their parameter types. */
type Anything = object | string | number | bigint | boolean | null | undefined

/** True for a single literal: what tells the members of a union apart stays a literal, so that a match has the fields of one of them. */
type IsTag<T, All = T> = [T] extends [string | number | bigint | boolean]
  ? string extends T
    ? false
    : number extends T
      ? false
      : bigint extends T
        ? false
        : T extends All
          ? [All] extends [T]
            ? true
            : false
          : never
  : false

/** A deep subset of `T`: keys that are left out match anything, a RegExp matches strings, asymmetric matchers work anywhere. */
export type Subset<T> = unknown extends T
  ? Anything
  : T extends string
    ? T | RegExp | AsymmetricMatcher
    : T extends Leaf
      ? T | AsymmetricMatcher
      : T extends readonly (infer Item)[]
        ? readonly Subset<Item>[] | AsymmetricMatcher
        : T extends object
          ? { readonly [K in keyof T]?: IsTag<T[K]> extends true ? T[K] : Subset<T[K]> } | AsymmetricMatcher
          : T

/** A part of a value that is merged into it: objects deeply, all else as a whole. */
export type Patch<T> = unknown extends T
  ? object
  : T extends Leaf | readonly unknown[]
    ? T
    : T extends object
      ? { readonly [K in keyof T]?: (unknown extends T[K] ? unknown : Patch<T[K]>) | undefined }
      : T

/** True for the messages that are meant. */
export type MessagePredicate<T> = (value: T, message: Message<T>) => boolean

/** Which messages: a partial value, a predicate, or all. */
export type MessageMatch<T> = Subset<T> | MessagePredicate<T>

/** A text, or a pattern for it. */
export type TextMatch = string | RegExp | AsymmetricMatcher
type Fields = Readonly<Record<string, TextMatch | readonly TextMatch[] | undefined>> | AsymmetricMatcher

/** Which handshakes. With no key but `host` and `port`, a match serves the TCP phase too. */
export interface ConnectMatch {
  /** Host as the client meant it, without the port. */
  readonly host?: TextMatch
  readonly port?: number | AsymmetricMatcher
  readonly url?: TextMatch
  readonly path?: TextMatch
  readonly query?: Fields
  /** Names in any case. */
  readonly headers?: Fields
  /** One of the subprotocols that the client offers; for an open connection, the one that was agreed. */
  readonly protocol?: TextMatch
  /** Handshakes to that host so far, this one included. */
  readonly attempt?: number | AsymmetricMatcher
}

/** Which connections: by their handshakes, and by what carries them. */
export interface ConnectionMatch extends ConnectMatch {
  /** 'websocket', or what a declared stream is. */
  readonly transport?: Transport | AsymmetricMatcher
}

/** True for the handshakes that are meant. */
export type ConnectPredicate = (handshake: HandshakeFacts) => boolean

/** A `URLPattern`: the runtime's own (Node 23.8 and later have one) or a package's. */
export interface UrlPattern {
  test(input: string): boolean
  readonly protocol: string
  readonly hostname: string
  readonly port: string
  readonly pathname: string
  readonly search: string
}

/** Which HTTP requests. */
export interface RequestMatch {
  readonly method?: TextMatch
  readonly host?: TextMatch
  readonly port?: number | AsymmetricMatcher
  /** A string is the whole URL, with its query. */
  readonly url?: TextMatch | UrlPattern
  /** A string is the whole path, without its query. */
  readonly path?: TextMatch | UrlPattern
  readonly query?: Fields
  /** Names in any case. */
  readonly headers?: Fields
  /** A deep part of its JSON, or a string or pattern for its text. */
  readonly body?: Anything
}

/** Which HTTP responses: by the request that they answer, and by what they are. */
export interface ResponseMatch extends Omit<RequestMatch, 'body'> {
  readonly status?: number | AsymmetricMatcher
  /** Of the response: a deep part of its JSON, or a string or pattern for its text. */
  readonly body?: Anything
}

/** True for the requests that are meant. */
export type RequestFactsPredicate = (request: RequestFacts) => boolean

export type RequestPredicate = (exchange: Exchange) => boolean

/** Which pings or pongs. */
export interface PingMatch {
  readonly from?: 'client' | 'server'
}

/** Which close frames. */
export interface CloseFrameMatch extends PingMatch {
  /** 1005 for an empty one (RFC 6455 §7.1.5). */
  readonly code?: number | AsymmetricMatcher
  readonly reason?: TextMatch
}

/** True for the control frames that are meant. */
export type ControlPredicate = (frame: ControlFrame) => boolean

/** Which closings: of a connection, by the first close frame that matches, or by an end without one (code 1006). */
export interface CloseMatch {
  readonly from?: 'client' | 'server'
  readonly code?: number | AsymmetricMatcher
  readonly reason?: TextMatch
  readonly host?: TextMatch
  readonly path?: TextMatch
}
