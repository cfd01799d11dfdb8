import type { Envelope, Framing, FramingReader } from './framing.ts'

const nothing = Buffer.alloc(0)
const lf = 0x0a
const cr = 0x0d

/** Each line is a payload, without its end; empty lines carry nothing. What stands behind the last end of line is one more. */
export const lines: Framing = {
  name: 'lines',
  reader: () => new LineReader(),
  write: (payload, original) => {
    const end = original ? original.bytes.subarray(original.payload?.length ?? 0) : Buffer.of(lf)
    return Buffer.concat([payload, end.length === 0 ? Buffer.of(lf) : end])
  },
}

class LineReader implements FramingReader {
  #chunks: Buffer[] = []

  get rest(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? nothing
  }

  push(chunk: Buffer): Envelope[] {
    const envelopes: Envelope[] = []
    let from = 0
    for (let at = chunk.indexOf(lf); at >= 0; at = chunk.indexOf(lf, from)) {
      this.#chunks.push(chunk.subarray(from, at + 1))
      envelopes.push(this.#line())
      from = at + 1
    }
    if (from < chunk.length) this.#chunks.push(chunk.subarray(from))
    return envelopes
  }

  end(): Envelope[] {
    return this.#chunks.length === 0 ? [] : [this.#line()]
  }

  #line(): Envelope {
    const bytes = this.rest
    this.#chunks = []
    let end = bytes.length
    if (bytes[end - 1] === lf) end--
    if (end < bytes.length && bytes[end - 1] === cr) end--
    return { bytes, payload: end === 0 ? undefined : bytes.subarray(0, end) }
  }
}
