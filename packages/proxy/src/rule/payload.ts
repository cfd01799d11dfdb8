import { isUtf8 } from 'node:buffer'
import type { Codec, CodecContext } from '../codec.ts'
import { messageOf, MidwireError } from '../errors.ts'

/** What one message carries on the wire: text or binary (RFC 6455 §5.6). */
export interface Payload {
  readonly bytes: Uint8Array
  readonly binary: boolean
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
  if (typeof encoded === 'string') return { bytes: textBytes(encoded), binary: original?.binary ?? false }
  if (!(encoded instanceof Uint8Array)) {
    throw new MidwireError(
      'MIDWIRE_CODEC',
      `codec ${codec.name} encoded a value as ${encoded === null ? 'null' : typeof encoded}, expected a string or bytes`,
    )
  }
  const binary = original?.binary ?? true
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
