import type { Codec, CodecDirection } from '../codec.ts'
import type { Payload } from '../rule/payload.ts'
import type { Corruption } from '../rule/verdict.ts'
import { Opcode } from '../ws/frame.ts'
import { writeFrame } from '../ws/frame-writer.ts'

/** Bytes that a receiver must refuse, made of a message that it could have accepted. */
export interface Broken {
  readonly bytes: Buffer
  /** The payload as it was written. */
  readonly payload: Uint8Array
  /** The connection ends behind it. */
  readonly ends: boolean
}

const reservedOpcode = 0x3
const rsv2 = 0x20

/** Breaks a message in one way. `key` masks it, where a client sends it. */
export function corrupt(how: Corruption, { bytes, binary }: Payload, key: number | undefined, rejected: Uint8Array): Broken {
  const opcode = binary ? Opcode.binary : Opcode.text
  switch (how) {
    case 'payload':
      return { bytes: writeFrame({ opcode, payload: rejected, key }), payload: rejected, ends: false }
    case 'utf8': {
      // 0xff occurs nowhere in UTF-8.
      const payload = Buffer.concat([bytes, Buffer.of(0xff)])
      return { bytes: writeFrame({ opcode: Opcode.text, payload, key }), payload, ends: false }
    }
    case 'opcode':
      return { bytes: writeFrame({ opcode: reservedOpcode, payload: bytes, key }), payload: bytes, ends: false }
    case 'rsv': {
      const frame = writeFrame({ opcode, payload: bytes, key })
      frame[0] = (frame[0] ?? 0) | rsv2
      return { bytes: frame, payload: bytes, ends: false }
    }
    case 'control': {
      const payload = Buffer.alloc(126)
      return { bytes: writeFrame({ opcode: Opcode.ping, payload, key }), payload, ends: false }
    }
    case 'truncate': {
      const frame = writeFrame({ opcode, payload: bytes, key })
      const kept = Math.floor(bytes.length / 2)
      // An empty message has nothing but its header to lose.
      const cut = Math.max(1, bytes.length - kept)
      return { bytes: frame.subarray(0, frame.length - cut), payload: bytes.subarray(0, kept), ends: true }
    }
  }
}

/**
 * A payload of the same type that the codec cannot decode, as close to the original as can be found; else the original cut in half.
 * The codec is asked as at the start of a connection: its state in this one is not for trying.
 */
export function rejectedBy(codec: Codec<unknown>, { from, protocol, url }: CodecDirection, { bytes, binary }: Payload): Uint8Array {
  const half = start(bytes, binary, Math.floor(bytes.length / 2))
  const noise = binary ? Buffer.of(0xc1, 0xc1, 0xc1) : Buffer.from('{"\u0000')
  for (const candidate of [half, start(bytes, binary, bytes.length - 1), Buffer.concat([bytes, noise]), noise]) {
    try {
      const state = codec.state?.({ from, protocol, url })
      const { messages, rest } = codec.decode(candidate, { from, binary, protocol, state })
      // A codec that waits for more has not been given anything wrong yet.
      if (messages.length > 0 || rest.length > 0) continue
    } catch {
      return candidate
    }
  }
  return half
}

/** About `size` bytes; text is cut between two characters, so that the codec is what rejects it. */
function start(bytes: Uint8Array, binary: boolean, size: number): Uint8Array {
  let end = Math.max(0, size)
  // UTF-8: the bytes behind the first of a character begin with 10
  if (!binary) while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return bytes.subarray(0, end)
}
