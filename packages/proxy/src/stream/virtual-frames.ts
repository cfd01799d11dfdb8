import type { Side } from '../side.ts'
import { writeFrame } from '../ws/frame-writer.ts'

// A session judges, holds and orders WebSocket messages. What HTTP carries is given to it as such: a frame for each message, which no
// network ever sees. The client's are masked with a key of zeros, which changes nothing (RFC 6455 §5.3).

/** A frame that `from` sends. */
export function frameFrom(from: Side, payload: Uint8Array, opcode: number): Buffer {
  return writeFrame({ opcode, payload, key: from === 'client' ? 0 : undefined })
}

export interface VirtualFrame {
  readonly opcode: number
  readonly payload: Buffer
  /** It ends before its payload does. */
  readonly torn: boolean
}

/** The frames in what a session wrote, whole ones but for one that a rule has cut short. */
export function* framesIn(bytes: Buffer): Generator<VirtualFrame, void> {
  let at = 0
  while (at + 2 <= bytes.length) {
    const second = bytes[at + 1] ?? 0
    let length = second & 0x7f
    let header = 2
    if (length === 126) {
      length = bytes.readUInt16BE(at + 2)
      header = 4
    } else if (length === 127) {
      length = bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6)
      header = 10
    }
    if ((second & 0x80) !== 0) header += 4
    const end = at + header + length
    yield { opcode: (bytes[at] ?? 0) & 0x0f, payload: bytes.subarray(at + header, end), torn: end > bytes.length }
    at = end
  }
}
