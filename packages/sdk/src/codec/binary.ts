import type { Codec } from '@midwire/proxy'

const nothing = new Uint8Array(0)

/** Every WebSocket message is its own bytes. */
export function binary(): Codec<Uint8Array> {
  return {
    name: 'binary',
    stateless: true,
    decode(bytes) {
      return { messages: [{ value: bytes, bytes }], rest: nothing }
    },
    encode(value) {
      if (!(value instanceof Uint8Array)) throw new TypeError(`binary: expected a Uint8Array, got ${typeof value}`)
      return value
    },
  }
}
