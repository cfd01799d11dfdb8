/** Walks the headers in bytes that a FrameReader has cut: every header is whole, every control frame too. */
export class FrameCursor {
  /** The first byte of the frame: FIN, RSV, opcode. */
  head = 0
  /** Where the frame begins, where its payload begins, and where it ends: possibly beyond the bytes. */
  start = 0
  payload = 0
  end = 0
  #bytes: Buffer = Buffer.alloc(0)

  /** Stands before the first header, which is at `first`. */
  reset(bytes: Buffer, first: number): void {
    this.#bytes = bytes
    this.end = first
  }

  /** Goes to the next frame; false if no further one begins in these bytes. */
  next(): boolean {
    const bytes = this.#bytes
    const at = this.end
    if (at >= bytes.length) return false
    const second = bytes[at + 1]!
    let length = second & 0x7f
    let payload = at + 2
    if (length === 126) {
      length = (bytes[at + 2]! << 8) | bytes[at + 3]!
      payload += 2
    } else if (length === 127) {
      length = bytes.readUInt32BE(at + 2) * 2 ** 32 + bytes.readUInt32BE(at + 6)
      payload += 8
    }
    if ((second & 0x80) !== 0) payload += 4
    this.head = bytes[at]!
    this.start = at
    this.payload = payload
    this.end = payload + length
    return true
  }

  get fin(): boolean {
    return (this.head & 0x80) !== 0
  }

  get rsv1(): boolean {
    return (this.head & 0x40) !== 0
  }

  get opcode(): number {
    return this.head & 0x0f
  }
}
