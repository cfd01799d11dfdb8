import { mask } from './mask.ts'

export interface FrameToWrite {
  readonly opcode: number
  readonly payload: Uint8Array
  /** @default true */
  readonly fin?: boolean
  /** Set on a compressed message (RFC 7692 §6). @default false */
  readonly rsv1?: boolean
  /** Masking key as an unsigned 32-bit integer, for client → server (RFC 6455 §5.3). @default not masked */
  readonly key?: number | undefined
}

/** One frame as bytes, in the shortest form (RFC 6455 §5.2). */
export function writeFrame({ opcode, payload, fin = true, rsv1 = false, key }: FrameToWrite): Buffer {
  const length = payload.length
  const extended = length < 126 ? 0 : length < 65536 ? 2 : 8
  const keyAt = 2 + extended
  const payloadAt = keyAt + (key === undefined ? 0 : 4)
  const bytes = Buffer.allocUnsafe(payloadAt + length)
  bytes[0] = (fin ? 0x80 : 0) | (rsv1 ? 0x40 : 0) | opcode
  bytes[1] = (key === undefined ? 0 : 0x80) | (extended === 0 ? length : extended === 2 ? 126 : 127)
  if (extended === 2) bytes.writeUInt16BE(length, 2)
  if (extended === 8) {
    bytes.writeUInt32BE(Math.floor(length / 2 ** 32), 2)
    bytes.writeUInt32BE(length >>> 0, 6)
  }
  bytes.set(payload, payloadAt)
  if (key !== undefined) {
    bytes.writeUInt32BE(key >>> 0, keyAt)
    mask(bytes, payloadAt, bytes.length, key)
  }
  return bytes
}

/** The payload of a close frame; `code` 1005 or `undefined` gives an empty one (RFC 6455 §5.5.1, §7.1.5). */
export function closePayload(code: number | undefined, reason: string): Buffer {
  if (code === undefined || code === 1005) return Buffer.alloc(0)
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason))
  payload.writeUInt16BE(code, 0)
  payload.write(reason, 2)
  return payload
}
