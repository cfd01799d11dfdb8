import type { Codec } from '@midwire/proxy'
import { utf8 } from './utf8.ts'

const nothing = new Uint8Array(0)

/** Every WebSocket message is a string. @throws TypeError when bytes are not UTF-8 */
export function text(): Codec<string> {
  return {
    name: 'text',
    stateless: true,
    decode(bytes) {
      return { messages: [{ value: utf8(bytes), bytes }], rest: nothing }
    },
    encode(value) {
      if (typeof value !== 'string') throw new TypeError(`text: expected a string, got ${typeof value}`)
      return value
    },
  }
}
