import type { Envelope, Framing, FramingReader } from './framing.ts'

const nothing = Buffer.alloc(0)
const lf = 0x0a
const cr = 0x0d
const byteOrderMark = Buffer.of(0xef, 0xbb, 0xbf)

/**
 * Server-sent events (WHATWG HTML §9.2): the payload is the data of an event, its lines joined by LF. Event name and id stay with the
 * event; blocks without data (comments, `retry:`) carry nothing.
 */
export const sse: Framing = {
  name: 'sse',
  reader: () => new BlockReader(payloadOfData),
  write: writeData,
}

/** The same, with the whole block of an event as its payload: for codecs to which the event's name and id matter. */
export const sseBlocks: Framing = {
  name: 'sse blocks',
  reader: () => new BlockReader((bytes, fields) => (fields.some(({ name }) => name === 'data') ? bytes : undefined)),
  write: payload => payload,
}

/** A line of a block, `name: value`; a comment has no name. */
export interface EventField {
  readonly name: string
  readonly value: string
  /** Where it stands in its block, its end of line included. */
  readonly start: number
  readonly end: number
}

/** The lines of a block (WHATWG HTML §9.2.6, "If the line …"); before the `first` of a stream a byte order mark may stand. */
export function eventFields(block: Uint8Array, { first = true }: { readonly first?: boolean } = {}): EventField[] {
  const bytes = Buffer.from(block.buffer, block.byteOffset, block.byteLength)
  const fields: EventField[] = []
  let at = first && bytes.subarray(0, 3).equals(byteOrderMark) ? 3 : 0
  while (at < bytes.length) {
    let stop = at
    while (stop < bytes.length && bytes[stop] !== lf && bytes[stop] !== cr) stop++
    const end = stop + (bytes[stop] === cr && bytes[stop + 1] === lf ? 2 : 1)
    if (stop > at) {
      const line = bytes.toString('utf8', at, stop)
      const colon = line.indexOf(':')
      const name = colon < 0 ? line : line.slice(0, colon)
      // "If value starts with a U+0020 SPACE character, remove it from value."
      const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
      fields.push({ name, value, start: at, end: Math.min(end, bytes.length) })
    }
    at = end
  }
  return fields
}

function payloadOfData(_block: Buffer, fields: readonly EventField[]): Uint8Array | undefined {
  const data = fields.filter(({ name }) => name === 'data')
  return data.length === 0 ? undefined : Buffer.from(data.map(({ value }) => value).join('\n'))
}

/** `data:` lines for a payload: one for each of its lines. */
export function dataLines(payload: Uint8Array): string {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('utf8')
  return text
    .split(/\r\n|\r|\n/)
    .map(line => `data: ${line}\n`)
    .join('')
}

function writeData(payload: Uint8Array, original: Envelope | undefined): Uint8Array {
  const data = Buffer.from(dataLines(payload))
  const fields = original ? eventFields(original.bytes) : []
  const first = fields.findIndex(({ name }) => name === 'data')
  if (!original || first < 0) return Buffer.concat([data, Buffer.of(lf)])
  const parts: Buffer[] = [original.bytes.subarray(0, fields[0]?.start)]
  for (const [n, { name, start, end }] of fields.entries()) {
    if (n === first) parts.push(data)
    else if (name !== 'data') parts.push(original.bytes.subarray(start, end))
  }
  parts.push(original.bytes.subarray(fields.at(-1)?.end))
  return Buffer.concat(parts)
}

/** Cuts a stream of events behind the empty line that ends each of them. */
class BlockReader implements FramingReader {
  readonly #payloadOf: (bytes: Buffer, fields: readonly EventField[]) => Uint8Array | undefined
  #chunks: Buffer[] = []
  /** The line in progress is empty so far. */
  #lineEmpty = true
  /** The block in progress has a line that is not empty. */
  #blockEmpty = true
  #first = true
  /** The last byte was CR: an LF behind it belongs to the same end of line. */
  #afterCr = false
  /** Bytes of a byte order mark at the start of the stream that have come; 3 once it cannot come any more. */
  #mark = 0

  constructor(payloadOf: (bytes: Buffer, fields: readonly EventField[]) => Uint8Array | undefined) {
    this.#payloadOf = payloadOf
  }

  get rest(): Buffer {
    if (this.#chunks.length > 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0] ?? nothing
  }

  push(chunk: Buffer): Envelope[] {
    const envelopes: Envelope[] = []
    let from = 0
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]
      if (byte === lf && this.#afterCr) {
        this.#afterCr = false
        if (this.#chunks.length > 0 || at > from) continue
        // The other half of an end of line whose block has gone: it must stay, also where the next block does not.
        envelopes.push({ bytes: chunk.subarray(from, at + 1), payload: undefined })
        from = at + 1
        continue
      }
      this.#afterCr = byte === cr
      if (this.#mark < 3 && byte === byteOrderMark[this.#mark]) {
        this.#mark++
        continue
      }
      this.#mark = 3
      if (byte !== lf && byte !== cr) {
        this.#lineEmpty = false
        this.#blockEmpty = false
        continue
      }
      const ends = this.#lineEmpty
      this.#lineEmpty = true
      if (!ends) continue
      // A CR may be half an end of line, but an event must not wait for the other half.
      const end = byte === cr && chunk[at + 1] === lf ? at + 2 : at + 1
      this.#chunks.push(chunk.subarray(from, end))
      envelopes.push(this.#block())
      from = end
    }
    if (from < chunk.length) this.#chunks.push(chunk.subarray(from))
    return envelopes
  }

  /** "Once the end of the file is reached, any pending data must be discarded": an event without its empty line is none. */
  end(): Envelope[] {
    const bytes = this.rest
    this.#chunks = []
    return bytes.length === 0 ? [] : [{ bytes, payload: undefined }]
  }

  #block(): Envelope {
    const bytes = this.rest
    const payload = this.#blockEmpty ? undefined : this.#payloadOf(bytes, eventFields(bytes, { first: this.#first }))
    this.#chunks = []
    this.#first = false
    this.#blockEmpty = true
    return { bytes, payload }
  }
}
