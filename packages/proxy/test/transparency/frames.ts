import { constants, deflateRawSync } from 'node:zlib'
import type { Side } from '../../src/side.ts'

/** One frame by hand; what RFC 6455 forbids can be said, too. */
export interface Frame {
  readonly opcode: number
  readonly payload: Buffer
  readonly fin?: boolean
  /** RSV1 to RSV3 as a number of three bits. */
  readonly rsv?: number
  readonly masked: boolean
  readonly key: number
  /** Bytes of the extended length, when not the fewest that will do. */
  readonly lengthBytes?: 2 | 8
  /** The length that its head claims, in 8 bytes. */
  readonly declared?: bigint
}

export function frameBytes({ opcode, payload, fin = true, rsv = 0, masked, key, lengthBytes, declared }: Frame): Buffer {
  const size = payload.length
  const extended = declared !== undefined ? 8 : (lengthBytes ?? (size < 126 ? 0 : size < 65536 ? 2 : 8))
  const head = Buffer.alloc(2 + extended)
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  head[1] = (masked ? 0x80 : 0) | (extended === 0 ? size : extended === 2 ? 126 : 127)
  if (extended === 2) head.writeUInt16BE(size, 2)
  if (extended === 8) head.writeBigUInt64BE(declared ?? BigInt(size), 2)
  if (!masked) return Buffer.concat([head, payload])
  const mask = Buffer.alloc(4)
  mask.writeUInt32BE(key)
  const hidden = Buffer.from(payload)
  for (let i = 0; i < hidden.length; i++) hidden[i] = hidden[i]! ^ mask[i & 3]!
  return Buffer.concat([head, mask, hidden])
}

/** Bytes that tell when one is lost, doubled or out of place. */
export function content(size: number, key: number): Buffer {
  const bytes = Buffer.alloc(size)
  for (let i = 0; i < size; i++) bytes[i] = 0x20 + ((i * 7 + (i >> 8) + key) % 0x5f)
  return bytes
}

/** A message compressed with no context takeover (RFC 7692 §7.2.1). */
export function compressed(payload: Buffer): Buffer {
  if (payload.length === 0) return Buffer.from([0])
  return deflateRawSync(payload, { finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)
}

/** What one side sent after its handshake: frames of messages, frames of control, and what came when it was not to be read any more. */
export interface Sequences {
  readonly data: Buffer
  readonly control: Buffer
  /** From a close frame or a violation on. */
  readonly rest: Buffer
}

/** Pulls the two sequences apart: pings and pongs may overtake messages that wait. */
export function sequences(bytes: Buffer, from: Side, deflate: boolean): Sequences {
  const data: Buffer[] = []
  const control: Buffer[] = []
  let at = 0
  let fragmented = false
  while (at < bytes.length) {
    const first = bytes[at]!
    const opcode = first & 0x0f
    const end = frameEnd(bytes, at)
    if (end === undefined) {
      ;(opcode >= 8 ? control : data).push(bytes.subarray(at))
      at = bytes.length
      break
    }
    if (opcode === 8 || isForbidden(bytes, at, from, deflate, fragmented)) break
    ;(opcode >= 8 ? control : data).push(bytes.subarray(at, end))
    if (opcode < 8) fragmented = (first & 0x80) === 0
    at = end
  }
  return { data: Buffer.concat(data), control: Buffer.concat(control), rest: bytes.subarray(Math.min(at, bytes.length)) }
}

function frameEnd(bytes: Buffer, at: number): number | undefined {
  const left = bytes.length - at
  if (left < 2) return undefined
  const second = bytes[at + 1]!
  const short = second & 0x7f
  const head = 2 + (short === 126 ? 2 : short === 127 ? 8 : 0)
  if (left < head) return undefined
  const size = short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short
  return at + head + (second & 0x80 ? 4 : 0) + size
}

function isForbidden(bytes: Buffer, at: number, from: Side, deflate: boolean, fragmented: boolean): boolean {
  const first = bytes[at]!
  const second = bytes[at + 1]!
  const opcode = first & 0x0f
  const rsv = (first >> 4) & 7
  if (((second & 0x80) !== 0) !== (from === 'client')) return true
  if (opcode >= 8) return opcode > 10 || (first & 0x80) === 0 || (second & 0x7f) > 125 || rsv !== 0
  if (opcode > 2 || (opcode === 0) !== fragmented) return true
  return rsv !== 0 && !(rsv === 4 && deflate && opcode !== 0)
}
