import type { Envelope, Framing, FramingReader } from './framing.ts'

const nothing = Buffer.alloc(0)

/** The whole body is one payload, as in long polling. */
export const body: Framing = {
  name: 'body',
  whole: true,
  reader: () => new BodyReader(),
  write: payload => payload,
}

class BodyReader implements FramingReader {
  #chunks: Buffer[] = []

  get rest(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? nothing
  }

  push(chunk: Buffer): Envelope[] {
    if (chunk.length > 0) this.#chunks.push(chunk)
    return []
  }

  end(): Envelope[] {
    const bytes = this.rest
    this.#chunks = []
    return bytes.length === 0 ? [] : [{ bytes, payload: bytes }]
  }
}
