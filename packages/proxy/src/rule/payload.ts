import { isUtf8 } from 'node:buffer'
import type { Codec, CodecContext, CodecFrame } from '../codec.ts'
import { messageOf, MidwireError } from '../errors.ts'

/** What one message carries on the wire: text or binary (RFC 6455 §5.6). */
export interface Payload {
  readonly bytes: Uint8Array
  readonly binary: boolean
  /** The WebSocket messages that carry it, where it takes more than one; together their bytes are `bytes`. */
  readonly parts?: readonly Payload[]
  /** What it was encoded from. */
  readonly value?: unknown
}

/**
 * Encodes a value. With an `original` its type is kept; without, a string leaves as text and bytes as binary.
 *
 * @throws MidwireError MIDWIRE_CODEC if the codec throws, or gives what no text message may carry
 */
export function encodePayload(
  codec: Codec<unknown>,
  value: unknown,
  context: CodecContext,
  original?: { readonly binary: boolean },
): Payload {
  let encoded: unknown
  try {
    encoded = codec.encode(value, context)
  } catch (error) {
    throw new MidwireError('MIDWIRE_CODEC', `codec ${codec.name} could not encode the value: ${messageOf(error)}`, { cause: error })
  }
  if (Array.isArray(encoded) && encoded.length > 0)
    return { ...joined(encoded.map(part => onePayload(codec, part, typeof part !== 'string'))), value }
  return { ...onePayload(codec, encoded, original?.binary ?? typeof encoded !== 'string'), value }
}

/** The bytes that carried a message, as they may leave again: cut into frames where that matters, from the end if not all of them are there. */
export function originalPayload(bytes: Uint8Array, binary: boolean, frames: readonly CodecFrame[] | undefined): Payload {
  if (frames === undefined) return { bytes, binary }
  const parts: Payload[] = []
  let end = bytes.length
  for (const frame of frames.toReversed()) {
    const start = Math.max(0, end - frame.size)
    parts.unshift({ bytes: bytes.subarray(start, end), binary: frame.binary })
    end = start
    if (start === 0) break
  }
  return joined(parts)
}

function joined(parts: readonly Payload[]): Payload {
  const [only] = parts
  if (parts.length === 1 && only) return only
  return { bytes: Buffer.concat(parts.map(({ bytes }) => bytes)), binary: parts.at(-1)?.binary ?? true, parts }
}

function onePayload(codec: Codec<unknown>, encoded: unknown, binary: boolean): Payload {
  if (typeof encoded === 'string') return { bytes: textBytes(encoded), binary }
  if (!(encoded instanceof Uint8Array)) {
    const what = encoded === null ? 'null' : Array.isArray(encoded) ? 'an empty array' : typeof encoded
    throw new MidwireError('MIDWIRE_CODEC', `codec ${codec.name} encoded a value as ${what}, expected a string, bytes, or an array of them`)
  }
  // RFC 6455 §8.1: a receiver must fail the connection on text that is not UTF-8
  if (!binary && !isUtf8(encoded))
    throw new MidwireError('MIDWIRE_CODEC', `codec ${codec.name} encoded a text message as bytes that are not UTF-8`)
  return { bytes: encoded, binary }
}

function textBytes(text: string): Uint8Array {
  if (!text.isWellFormed())
    throw new MidwireError('MIDWIRE_CODEC', 'a text message with a lone surrogate has no UTF-8 form: expected well-formed text')
  return Buffer.from(text, 'utf8')
}
