import type { Readable, Writable } from 'node:stream'

// One exchange as the pipeline sees it, whatever version of HTTP carries it. Heads are flat header arrays, as they came; bodies are
// content without framing; trailers are known once a body has ended.

export interface RequestHead {
  readonly method: string
  /** As upstream is to get it (RFC 9112 §3.2): path and query, or the absolute form where a proxy is asked. */
  readonly requestTarget: string
  /** Names and values in turn, in order and case; without HTTP/2's pseudo-headers. */
  readonly rawHeaders: readonly string[]
}

export interface ResponseHead {
  readonly status: number
  /** The reason phrase; '' in HTTP/2, which has none. */
  readonly statusText: string
  readonly rawHeaders: readonly string[]
}

/** A body with what comes behind it. */
export interface Body {
  readonly stream: Readable
  /** Names and values in turn; complete once `stream` has ended. */
  trailers(): readonly string[]
}

/** How one side of an exchange ends before it is complete. HTTP/1 does it to the connection, HTTP/2 to the stream (RFC 9113 §7: `code`). */
export interface Cut {
  readonly how: 'rst' | 'fin'
  readonly code?: number
}

/** The client's side of one exchange: a request that came in, and the way to answer it. */
export interface ClientSide {
  readonly version: '1.0' | '1.1' | '2'
  readonly head: RequestHead
  readonly body: Body
  /** An informational response (RFC 9110 §15.2), 100 included. */
  inform(head: ResponseHead): void
  /** Writes the head at once and returns where the body goes; a message without content still needs its `end()`. */
  respond(head: ResponseHead): Writable
  /** Trailers for the response: call before its body is ended. */
  addTrailers(rawTrailers: readonly string[]): void
  cut(cut: Cut): void
  /** The client gave the exchange up; called at most once, and never after a complete response. */
  onCut(listener: (cut: Cut) => void): void
}

/** What upstream does with a request. After `onCut` nothing more is called. */
export interface ServerListener {
  inform(head: ResponseHead): void
  respond(head: ResponseHead, body: Body): void
  onCut(cut: Cut, error: Error | undefined): void
}

/** Upstream's side of one exchange: a request under way. */
export interface ServerSide {
  /** Where the request's body goes; a request without content still needs its `end()`. */
  readonly body: Writable
  /** Trailers for the request: call before its body is ended. */
  addTrailers(rawTrailers: readonly string[]): void
  cut(cut: Cut): void
}

/** One connection to upstream on which requests can be sent, one after the other or side by side. */
export interface UpstreamHttp {
  request(head: RequestHead, listener: ServerListener): ServerSide
}
