import { body } from './body.ts'
import { lines } from './lines.ts'
import { sse } from './sse.ts'

/** A part of a body that goes on, or stays, as a whole: an event, a line, a whole body, or what is in between. */
export interface Envelope {
  /** As it came. */
  readonly bytes: Buffer
  /** What it carries; `undefined` for what carries nothing, such as a comment or an empty line. */
  readonly payload: Uint8Array | undefined
}

/** Cuts one body into envelopes. The bytes of all of them, in order, make up the body, however it was chunked. */
export interface FramingReader {
  /** Takes a chunk and returns the envelopes that it completed. */
  push(chunk: Buffer): Envelope[]
  /** What has come of an envelope that is not complete. */
  readonly rest: Buffer
  /** The body has ended: what is left. */
  end(): Envelope[]
}

/** How payloads lie in the body of a request or response. */
export interface Framing {
  /** For transcripts and errors. */
  readonly name: string
  /** The whole body is one envelope: its head waits for what rules make of it. @default false */
  readonly whole?: boolean
  reader(): FramingReader
  /**
   * An envelope with this payload; `original` is the one it takes the place of, whose other fields it keeps.
   */
  write(payload: Uint8Array, original: Envelope | undefined): Uint8Array
}

export type FramingName = 'sse' | 'lines' | 'body'

const framings: Readonly<Record<FramingName, Framing>> = { sse, lines, body }

export function framingOf(framing: FramingName | Framing): Framing {
  return typeof framing === 'string' ? framings[framing] : framing
}

const byType: Readonly<Record<string, Framing>> = {
  'text/event-stream': sse,
  'application/x-ndjson': lines,
  'application/ndjson': lines,
  'application/jsonl': lines,
  'application/x-jsonlines': lines,
  'application/stream+json': lines,
}

/** What a content type says of itself (RFC 9110 §8.3). @default body */
export function framingFor(contentType: string | undefined): Framing {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  return byType[type] ?? body
}
