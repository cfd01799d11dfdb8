import type { Side } from './side.ts'
import type { Framing } from './stream/framing.ts'
import type { StreamDeclaration } from './stream/declaration.ts'

/** What a codec is told about one direction of one connection, before its first byte. */
export interface CodecDirection {
  /** Who sends the bytes. */
  readonly from: Side
  /** The Sec-WebSocket-Protocol that was agreed, or ''. */
  readonly protocol: string
  /** As the client meant it: some protocols say in a query how they are going to be written. */
  readonly url: string
}

/** The same, for a codec that keeps a state. */
export interface CodecStateDirection<S = unknown> extends CodecDirection {
  /** The state of the client's direction, for the one of the server that depends on it. */
  readonly peer?: S | undefined
}

/** What a codec is told about the bytes it decodes or encodes. */
export interface CodecContext<S = unknown> {
  /** Who sends the bytes. */
  readonly from: Side
  /** True for a binary message, false for text (RFC 6455 §5.6). */
  readonly binary: boolean
  /** The Sec-WebSocket-Protocol that was agreed, or ''. */
  readonly protocol: string
  /** What `Codec.state` made for this direction of this connection. */
  readonly state: S
}

/** The payload of one of the WebSocket messages that carried a message together. */
export interface CodecFrame {
  /** In bytes. */
  readonly size: number
  readonly binary: boolean
}

/** One message within what was decoded, with the very bytes that carried it. */
export interface DecodedMessage<T> {
  readonly value: T
  readonly bytes: Uint8Array
  /**
   * How `bytes` were spread over WebSocket messages, for protocols to which that matters: so it leaves where it cannot leave as it came.
   *
   * @default it may leave in one, together with others
   */
  readonly frames?: readonly CodecFrame[]
  readonly undecodable?: undefined
}

/** A part of what was decoded that is no message: it passes untouched, and is journalled with the reason. */
export interface UndecodedMessage {
  /** Why. */
  readonly undecodable: string
  readonly bytes: Uint8Array
  readonly value?: undefined
  readonly frames?: never
}

/** What a value leaves as: text, bytes, or several WebSocket messages. */
export type Encoded = string | Uint8Array | readonly (string | Uint8Array)[]

export interface Decoded<T> {
  readonly messages: readonly (DecodedMessage<T> | UndecodedMessage)[]
  /** Bytes of a message that has not fully arrived; they are put in front of the next call's input. */
  readonly rest: Uint8Array
}

/**
 * Turns the payloads of WebSocket messages into the messages of a protocol, and back. The `bytes` of the decoded messages and
 * `rest` must make up the input, byte for byte and in order: that is how an untouched message leaves as the bytes it came in.
 */
export interface Codec<T = unknown, S = unknown> {
  /** For transcripts and errors. */
  readonly name: string
  /**
   * Every payload stands alone: `decode` needs no history and leaves no rest. Such payloads are decoded only when somebody looks;
   * one that nobody looked at before it left the journal (`journalLimit`) counts as one message.
   * @default false
   */
  readonly stateless?: boolean
  /** The HTTP exchanges that carry its messages, for protocols that have a transport beside the WebSocket. @default none */
  readonly streams?: readonly StreamDeclaration<T>[]
  /** How its payloads lie in the bodies of declared streams. @default by content type */
  readonly framing?: Framing
  /** Makes the state of one direction of one connection. @default undefined as state */
  state?(direction: CodecStateDirection<S>): S
  /** @throws anything, if the bytes are not of this protocol; they then pass untouched and are journalled as undecodable. */
  decode(bytes: Uint8Array, context: CodecContext<S>): Decoded<T>
  /**
   * What the value leaves as. A string leaves as text, bytes as binary, where there is no original whose type is kept. In an array each
   * leaves in a WebSocket message of its own, strings always as text and bytes always as binary.
   */
  encode(value: T, context: CodecContext<S>): Encoded
  /**
   * Puts messages into one payload again, where others of it were dropped, changed or held back.
   *
   * @default one after the other
   */
  pack?(messages: readonly Uint8Array[], context: CodecContext<S>): Uint8Array
}
