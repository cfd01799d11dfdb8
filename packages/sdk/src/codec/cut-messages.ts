import type { Decoded, DecodedMessage, UndecodedMessage } from '@midwire/proxy'

export interface Cutting<T> {
  /** Bytes of the message that begins at `at`; `undefined` while its end has not come. What it throws is why nothing from there on decodes. */
  sizeAt(bytes: Uint8Array, at: number): number | undefined
  /** The value of one message. What it throws is why this one does not decode; the others do. */
  read(own: Uint8Array): T
}

/** Cuts a stream into messages; what follows the last whole one is the rest. */
export function cutMessages<T>(bytes: Uint8Array, { sizeAt, read }: Cutting<T>): Decoded<T> {
  const messages: (DecodedMessage<T> | UndecodedMessage)[] = []
  let at = 0
  while (at < bytes.length) {
    let size: number | undefined
    try {
      size = sizeAt(bytes, at)
    } catch (error) {
      return { messages: [...messages, { undecodable: messageOf(error), bytes: bytes.subarray(at) }], rest: bytes.subarray(bytes.length) }
    }
    if (size === undefined || at + size > bytes.length) break
    messages.push(readOne(bytes.subarray(at, at + size), read))
    at += size
  }
  return { messages, rest: bytes.subarray(at) }
}

/** One message, or why it is none. */
export function readOne<T>(own: Uint8Array, read: (own: Uint8Array) => T): DecodedMessage<T> | UndecodedMessage {
  try {
    return { value: read(own), bytes: own }
  } catch (error) {
    return { undecodable: messageOf(error), bytes: own }
  }
}

/** What to say of something that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
