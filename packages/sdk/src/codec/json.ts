import type { Codec } from '@midwire/proxy'
import { utf8 } from './utf8.ts'

const nothing = new Uint8Array(0)

/**
 * One JSON value per WebSocket message, text or binary.
 *
 * @throws TypeError when a value has no JSON form (`undefined`, a function).
 */
export function json<T = unknown>(): Codec<T> {
  return {
    name: 'json',
    stateless: true,
    decode(bytes) {
      return { messages: [{ value: JSON.parse(utf8(bytes)) as T, bytes }], rest: nothing }
    },
    encode: value => jsonText('json', value),
  }
}

/** @throws TypeError, in the name of a codec, when a value has no JSON form */
export function jsonText(codec: string, value: unknown): string {
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) throw new TypeError(`${codec}: ${typeof value} has no JSON form`)
  return text
}
