/**
 * Applies a masking key to `bytes[start, end)` in place (RFC 6455 §5.3); masking and unmasking are the same. `phase` is how many
 * bytes of the payload came before `start`.
 */
export function mask(bytes: Uint8Array, start: number, end: number, key: number, phase = 0): void {
  const turned = (phase & 3) === 0 ? key : (key << ((phase & 3) * 8)) | (key >>> (32 - (phase & 3) * 8))
  const k0 = turned >>> 24
  const k1 = (turned >>> 16) & 0xff
  const k2 = (turned >>> 8) & 0xff
  const k3 = turned & 0xff
  let i = start
  for (const whole = end - 3; i < whole; i += 4) {
    bytes[i]! ^= k0
    bytes[i + 1]! ^= k1
    bytes[i + 2]! ^= k2
    bytes[i + 3]! ^= k3
  }
  if (i < end) bytes[i]! ^= k0
  if (i + 1 < end) bytes[i + 1]! ^= k1
  if (i + 2 < end) bytes[i + 2]! ^= k2
}
