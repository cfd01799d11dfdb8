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
      return { messages: [{ value: decoder.decode(bytes) as T, bytes }], rest: nothing }
    },
    encode(value) {
      return encoder.encode(value)
    },
  }
}
