import type { Codec } from '@midwire/proxy'
import { Decoder, Encoder } from '@msgpack/msgpack'
import type { DecoderOptions, EncoderOptions } from '@msgpack/msgpack'

const nothing = new Uint8Array(0)

/** One MessagePack value per WebSocket message. The options are those of `@msgpack/msgpack`. */
export function msgpack<T = unknown>(options: DecoderOptions & EncoderOptions = {}): Codec<T> {
  const decoder = new Decoder(options)
  const encoder = new Encoder(options)
  return {
    name: 'msgpack',
    stateless: true,
    decode(bytes) {
      // What it finds within is cut out of what it is given: of a Buffer it would be Buffers, which equal no Uint8Array of a test's.
      const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
      return { messages: [{ value: decoder.decode(plain) as T, bytes }], rest: nothing }
    },
    encode(value) {
      return encoder.encode(value)
    },
  }
}
