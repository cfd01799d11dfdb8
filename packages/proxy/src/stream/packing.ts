/** How several messages lie in one payload of a stream. */
export interface Packing {
  /** For transcripts and errors. */
  readonly name: string
  /** The messages in a payload, in order; `undefined` for a payload that carries none. */
  split(payload: Uint8Array): readonly Uint8Array[] | undefined
  /** A payload that carries these messages; of none, what the receiver takes for nothing to deliver. `undefined`: no payload at all. */
  join(messages: readonly Uint8Array[]): Uint8Array | undefined
}

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const [openList, closeList, openObject, closeObject] = [0x5b, 0x5d, 0x7b, 0x7d]

/** Every payload is one message. */
export const one: Packing = {
  name: 'one',
  split: payload => [payload],
  join: messages => (messages.length === 0 ? undefined : Buffer.concat(messages)),
}

/** A JSON array of messages, `[]` where there is none; a payload that is no array carries none. */
export function jsonArray(): Packing {
  return {
    name: 'JSON array',
    split: payload => elements(Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)),
    join: messages => Buffer.from(`[${messages.map(message => Buffer.from(message).toString('utf8')).join(',')}]`),
  }
}

/** Messages with a separator in between; `empty` stands where there is none. @default empty nothing */
export function separated(separator: string, { empty = '' }: { readonly empty?: string } = {}): Packing {
  const mark = Buffer.from(separator)
  return {
    name: `separated by ${JSON.stringify(separator)}`,
    split: payload => {
      const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
      const messages: Uint8Array[] = []
      let from = 0
      for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, from)) {
        messages.push(bytes.subarray(from, at))
        from = at + mark.length
      }
      return [...messages, bytes.subarray(from)]
    },
    join: messages =>
      messages.length === 0 ? Buffer.from(empty) : Buffer.concat(messages.flatMap((message, n) => (n === 0 ? [message] : [mark, message]))),
  }
}

/** The elements of a JSON array, as the bytes between its commas; `undefined` for what is no array, or broken. */
function elements(bytes: Buffer): Uint8Array[] | undefined {
  let at = 0
  while (isSpace(bytes[at])) at++
  let end = bytes.length
  while (end > at && isSpace(bytes[end - 1])) end--
  if (bytes[at] !== openList || bytes[end - 1] !== closeList || end - at < 2) return undefined
  const parts: Uint8Array[] = []
  let from = at + 1
  let depth = 0
  for (at = from; at < end - 1; at++) {
    const byte = bytes[at]
    if (byte === quote) {
      for (at++; at < end - 1 && bytes[at] !== quote; at++) if (bytes[at] === backslash) at++
    } else if (byte === openList || byte === openObject) depth++
    else if (byte === closeList || byte === closeObject) depth--
    else if (byte === comma && depth === 0) {
      parts.push(trimmed(bytes.subarray(from, at)))
      from = at + 1
    }
  }
  const last = trimmed(bytes.subarray(from, end - 1))
  if (depth !== 0 || at >= end) return undefined
  return last.length === 0 && parts.length === 0 ? [] : [...parts, last]
}

function trimmed(bytes: Buffer): Buffer {
  let start = 0
  let end = bytes.length
  while (start < end && isSpace(bytes[start])) start++
  while (end > start && isSpace(bytes[end - 1])) end--
  return bytes.subarray(start, end)
}

/** RFC 8259 §2: ws */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d
}
