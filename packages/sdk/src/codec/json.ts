import type { Codec } from '@midwire/proxy'

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
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
      return { messages: [{ value: JSON.parse(decoder.decode(bytes)) as T, bytes }], rest: nothing }
    },
    encode(value) {
      const text = JSON.stringify(value)
      if (text === undefined) throw new TypeError(`json: ${typeof value} has no JSON form`)
      return text
    },
  }
}
