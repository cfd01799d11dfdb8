import type { Side } from '../side.ts'
import type { Match, RuleBase } from './rule.ts'

/** What a match on an HTTP request sees. */
export interface RequestFacts {
  readonly method: string
  readonly host: string
  readonly port: number
  readonly url: string
  readonly path: string
  /** Repeated keys become arrays. */
  readonly query: Readonly<Record<string, string | string[]>>
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The JSON value of the body, or its text where it is none; read only by a match with `needsBody`. */
  readonly body: unknown
  /** The body as text; read as `body` is. */
  readonly text: string
}

/** Where in an exchange a fault happens; bytes are those of the body, without its framing. */
export type FaultPoint =
  /** Its head has been read; upstream gets nothing. */
  | 'beforeRequest'
  /** Upstream has got its head and so many bytes of its body. */
  | { readonly requestBytes: number }
  /** Upstream has got all of it, and has begun to answer; the client gets nothing. */
  | 'beforeResponse'
  /** The client has got the response's head and so many bytes of its body. */
  | { readonly responseBytes: number }
  /** The client has got the whole response. */
  | 'afterResponse'

/** A response of Midwire's own: names and values of its headers in turn. */
export interface OwnResponse {
  readonly status: number
  readonly statusText?: string
  readonly body: Uint8Array | ReadableStream<Uint8Array>
  readonly headers: readonly string[]
  /** Names and values in turn, behind the body: where gRPC has its status. */
  readonly trailers?: readonly string[]
}

/** What a function of the test may change of a request; what it leaves alone leaves as it came. */
export interface EditableRequest {
  method: string
  path: string
  /** Repeated keys are arrays; `undefined` takes one out. */
  query: Record<string, string | string[] | undefined>
  /** Names in lower case; `undefined` takes one out. */
  headers: Record<string, string | string[] | undefined>
  /** Without its content coding (RFC 9110 §8.4); a change is encoded again. */
  body: Uint8Array
  /** `body` as text. */
  text: string
  /** `body` as JSON. @throws SyntaxError where it is none */
  json: unknown
}

/** What a function of the test may change of a response; what it leaves alone leaves as it came. */
export interface EditableResponse extends Pick<EditableRequest, 'headers' | 'body' | 'text' | 'json'> {
  status: number
  statusText: string
}

/** What a `handle` answers: a response; 'pass' asks the next rule; 'error' ends the connection as a failed network does. */
export type RequestAnswer = OwnResponse | 'pass' | 'passthrough' | 'error'

export type RequestAction =
  | { readonly kind: 'observe'; readonly fn: (request: RequestFacts) => void }
  /** Upstream never gets the request; what is still to come of its body is read and thrown away. */
  | { readonly kind: 'respondWith'; readonly response: OwnResponse }
  /** Upstream gets and answers the request; the client gets this answer, once upstream's has come. */
  | { readonly kind: 'forwardThen'; readonly response: OwnResponse }
  | { readonly kind: 'patchRequest'; readonly fn: (request: EditableRequest) => unknown }
  | { readonly kind: 'patchResponse'; readonly fn: (response: EditableResponse, request: RequestFacts) => unknown }
  | { readonly kind: 'hold'; readonly at: 'request' | 'response' }
  | { readonly kind: 'delay'; readonly ms: number; readonly at: 'request' | 'response' }
  /** 'reset': RST (for HTTP/2, RST_STREAM); 'end': FIN after what was written; 'stall': nothing more passes. */
  | { readonly kind: 'fault'; readonly how: 'reset' | 'end' | 'stall'; readonly at: FaultPoint; readonly to: Side | 'both' }
  /** Asked with a copy of the request; its answer decides. */
  | { readonly kind: 'handle'; readonly fn: (request: Request) => Promise<RequestAnswer> }

export interface RequestRule extends RuleBase {
  readonly on: 'request'
  readonly match: Match<RequestFacts, RequestFacts>
  /** The match reads `body`: it is asked once the whole body has come. */
  readonly needsBody: boolean
  readonly action: RequestAction
}
