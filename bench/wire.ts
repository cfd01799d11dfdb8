/** Frames built in advance (RFC 6455 §5.2), so that neither end of a measurement spends time on building them. */

const maskKey = Buffer.from([0x37, 0xfa, 0x21, 0x3d])

/** A JSON text of exactly `size` bytes that the benchmarks' rule matches. */
export function payloadOf(size: number): Buffer {
  const head = '{"type":"echo","pad":"'
  return Buffer.from(`${head}${'x'.repeat(size - head.length - 2)}"}`)
}

/** One text frame as the client sends it, masked. */
export function clientFrame(payload: Buffer): Buffer {
  const masked = Buffer.from(payload)
  for (let i = 0; i < masked.length; i++) masked[i]! ^= maskKey[i & 3]!
  return Buffer.concat([header(payload.length, 0x80), maskKey, masked])
}

/** One text frame as the server sends it. */
export function serverFrame(payload: Buffer): Buffer {
  return Buffer.concat([header(payload.length, 0), payload])
}

/** As many whole frames as fit 64 KiB, at least one: what a busy sender hands to its socket at once. */
export function blockOf(frame: Buffer): Buffer {
  return Buffer.concat(Array.from({ length: Math.max(1, Math.floor(65_536 / frame.length)) }, () => frame))
}

function header(length: number, maskBit: number): Buffer {
  if (length < 126) return Buffer.from([0x81, maskBit | length])
  if (length < 65_536) return Buffer.from([0x81, maskBit | 126, length >> 8, length & 0xff])
  const bytes = Buffer.alloc(10)
  bytes[0] = 0x81
  bytes[1] = maskBit | 127
  bytes.writeBigUInt64BE(BigInt(length), 2)
  return bytes
}
