import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'

/** RFC 7692 §7.2.2: what the sender took off the end of a compressed message. */
const tail = Buffer.from([0x00, 0x00, 0xff, 0xff])

/**
 * Inflates the payload of a whole message that was compressed with no context takeover.
 *
 * @throws Error of zlib on bytes that are no DEFLATE stream, or RangeError if more than `limit` bytes come out
 */
export function inflate(payload: Uint8Array, limit: number): Buffer {
  return inflateRawSync(Buffer.concat([payload, tail]), { finishFlush: constants.Z_SYNC_FLUSH, maxOutputLength: limit })
}

/** Deflates the payload of a whole message with no context takeover and a window of at most 2^`windowBits` bytes. */
export function deflate(payload: Uint8Array, windowBits = 15): Buffer {
  // §7.2.3.6: an empty payload is a single byte
  if (payload.length === 0) return Buffer.from([0])
  const stream = deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH, windowBits })
  return stream.subarray(0, stream.length - tail.length)
}
