import type { Codec } from '@midwire/proxy'
import { cutMessages, readOne } from './cut-messages.ts'
import { jsonText } from './json.ts'
import { utf8 } from './utf8.ts'

export interface DelimitedJsonOptions {
  /**
   * The end of a payload ends its last value, too, as where several are joined for one WebSocket message (Centrifuge). Otherwise a value
   * is complete at its delimiter, and may span payloads.
   *
   * @default false
   */
  readonly joined?: boolean
}

/**
 * JSON values with a delimiter behind each: a line feed (JSON lines), or the record separator U+001E. A value that is no JSON passes as
 * undecodable; the others of its payload do not.
 *
 * @throws TypeError when a value has no JSON form (`undefined`, a function)
 */
export function delimitedJson<T = unknown>(delimiter: '\n' | '\x1e', { joined = false }: DelimitedJsonOptions = {}): Codec<T> {
  const mark = delimiter.charCodeAt(0)
  const name = delimiter === '\n' ? 'json lines' : 'json records'
  const read = (own: Uint8Array): T => {
    const text = utf8(withoutMark(own, mark))
    if (text.trim() === '') throw new SyntaxError('nothing before the delimiter')
    return JSON.parse(text) as T
  }
  const sizeAt = (bytes: Uint8Array, at: number): number | undefined => {
    const end = bytes.indexOf(mark, at)
    return end < 0 ? undefined : end + 1 - at
  }
  if (!joined) {
    return { name, decode: bytes => cutMessages(bytes, { sizeAt, read }), encode: value => jsonText(name, value) + delimiter }
  }
  return {
    name,
    stateless: true,
    decode(bytes) {
      const { messages, rest } = cutMessages(bytes, { sizeAt, read })
      return { messages: rest.length === 0 ? messages : [...messages, readOne(rest, read)], rest: rest.subarray(rest.length) }
    },
    encode: value => jsonText(name, value),
    pack: messages => joinedBy(mark, messages),
  }
}

/** Payloads with a delimiter between each two. */
export function joinedBy(mark: number, messages: readonly Uint8Array[]): Uint8Array {
  return Buffer.concat(messages.flatMap((message, i) => [...(i === 0 ? [] : [Uint8Array.of(mark)]), withoutMark(message, mark)]))
}

function withoutMark(own: Uint8Array, mark: number): Uint8Array {
  return own.at(-1) === mark ? own.subarray(0, -1) : own
}
