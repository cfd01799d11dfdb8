export interface Varint {
  readonly value: number
  /** Bytes that it takes. */
  readonly size: number
}

/**
 * A number in groups of seven bits, the lowest first, as MQTT, SignalR and protobuf write lengths; `undefined` while its end has not come.
 *
 * @throws RangeError if it takes more than `limit` bytes
 */
export function readVarint(bytes: Uint8Array, at: number, limit: number): Varint | undefined {
  let value = 0
  for (let size = 1; size <= limit; size++) {
    const byte = bytes[at + size - 1]
    if (byte === undefined) return undefined
    value += (byte & 0x7f) * 2 ** (7 * (size - 1))
    if (byte < 0x80) return { value, size }
  }
  throw new RangeError(`a length of more than ${limit} bytes`)
}

/** The same, written. */
export function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let left = value
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80)
  return Uint8Array.from([...bytes, left])
}
