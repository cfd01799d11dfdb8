import type { Side } from './side.ts'

/** What a codec is told about one direction of one connection, before its first byte. */
export interface CodecDirection {
  /** Who sends the bytes. */
  readonly from: Side
  /** The Sec-WebSocket-Protocol that was agreed, or ''. */
  readonly protocol: string
  /** As the client meant it: some protocols say in a query how they are going to be written. */
  readonly url: string
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

/** One message within what was decoded, with the very bytes that carried it. */
export interface DecodedMessage<T> {
  readonly value: T
  readonly bytes: Uint8Array
}

export interface Decoded<T> {
  readonly messages: readonly DecodedMessage<T>[]
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
  /** Makes the state of one direction of one connection. @default undefined as state */
  state?(direction: CodecDirection): S
  /** @throws anything, if the bytes are not of this protocol; they then pass untouched and are journalled as undecodable. */
  decode(bytes: Uint8Array, context: CodecContext<S>): Decoded<T>
  /** A string leaves as text, bytes as binary, where there is no original whose type is kept. */
  encode(value: T, context: CodecContext<S>): Uint8Array | string
}
