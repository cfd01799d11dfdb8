import type { Readable, Writable } from 'node:stream'
import type { Road } from '../io/road.ts'
import type { HttpVersion } from './exact.ts'

// One exchange as the pipeline sees it, whatever version of HTTP carries it. Heads are flat header arrays, as they came; bodies are
// content without framing; trailers are known once a body has ended.

export interface RequestHead {
  readonly method: string
  /** As upstream is to get it (RFC 9112 §3.2): path and query, or the absolute form where a proxy is asked. */
  readonly requestTarget: string
  /** Names and values in turn, in order and case; without HTTP/2's pseudo-headers. */
  readonly rawHeaders: readonly string[]
  /** HTTP/2's pseudo-headers as they came (RFC 9113 §8.3.1); `method` and `requestTarget` overrule what they say. */
  readonly pseudoHeaders?: readonly string[]
  /** HTTP/2: nothing followed the head, not even an empty body (RFC 9113 §8.1). */
  readonly endsStream?: boolean
  /** Of its first line, in HTTP/1. @default '1.1' */
  readonly version?: HttpVersion | undefined
}

export interface ResponseHead {
  readonly status: number
  /** The reason phrase; '' in HTTP/2, which has none. */
  readonly statusText: string
  readonly rawHeaders: readonly string[]
  /** HTTP/2: nothing followed the head, not even an empty body (RFC 9113 §8.1). */
  readonly endsStream?: boolean
  /** Of its first line, in HTTP/1. @default '1.1' */
  readonly version?: HttpVersion | undefined
}

/** A body with what comes behind it. `stream` errors, if it does, only together with a cut of its side. */
export interface Body {
  readonly stream: Readable
  /** Names and values in turn; complete once `stream` has ended. */
  trailers(): readonly string[]
}

/** How one side of an exchange ends before it is complete. HTTP/1 does it to the connection, HTTP/2 to the stream (RFC 9113 §7: `code`). */
export interface Cut {
  /** 'half': FIN after what was written, while what still comes is read (RFC 9112 §9.6); 'fin': FIN, and nothing is read; 'rst': RST, at once. */
  readonly how: 'rst' | 'fin' | 'half'
  readonly code?: number
}

/** The client's side of one exchange: a request that came in, and the way to answer it. */
export interface ClientSide {
  readonly version: '1.0' | '1.1' | '2'
  /** The connection that it came on. */
  readonly road: Road | undefined
  readonly head: RequestHead
  readonly body: Body
  /** An informational response (RFC 9110 §15.2), 100 included. */
  inform(head: ResponseHead): void
  /**
   * Writes the head at once and returns where the body goes; a message without content still needs its `end()`. `last`: the connection
   * carries no other exchange (RFC 9112 §9.6). @throws what Node throws on a head that it will not write
   */
  respond(head: ResponseHead, last?: boolean): Writable
  /** Trailers for the response: call before its body is ended. */
  addTrailers(rawTrailers: readonly string[]): void
  /** Calls back once everything written so far, heads included, was handed to the system, or never will be. */
  flush(done: () => void): void
  cut(cut: Cut): void
  /** Called once: without a cut when the whole response has been written, with one when the client gave the exchange up, or was cut off. */
  onOver(listener: (cut: Cut | undefined) => void): void
}

/** What upstream does with a request. After `onCut` nothing more is called. */
export interface ServerListener {
  inform(head: ResponseHead): void
  respond(head: ResponseHead, body: Body): void
  /** Upstream ended before the exchange was complete; never called for a cut of our own. */
  onCut(cut: Cut, error: Error | undefined): void
}

/** Upstream's side of one exchange: a request under way. */
export interface ServerSide {
  /** Where the request's body goes; a request without content still needs its `end()`. */
  readonly body: Writable
  /** Trailers for the request: call before its body is ended. */
  addTrailers(rawTrailers: readonly string[]): void
  /** Calls back once everything written so far, the head included, was handed to the system, or never will be. */
  flush(done: () => void): void
  cut(cut: Cut): void
}

/** One connection to upstream on which requests can be sent, one after the other or side by side. */
export interface UpstreamHttp {
  /** The head goes at once, or together with what is written in the same turn. @throws what Node throws on a head that it will not write */
  request(head: RequestHead, listener: ServerListener): ServerSide
}
