import type { Codec } from '@midwire/proxy'
import { decode, encode } from 'cbor2'
import type { DecodeOptions, EncodeOptions } from 'cbor2'
import { plain } from './plain.ts'

const nothing = new Uint8Array(0)

export interface CborOptions {
  /** For `decode` of `cbor2`. */
  readonly decode?: DecodeOptions
  /** For `encode` of `cbor2`. */
  readonly encode?: EncodeOptions
}

/** One CBOR value (RFC 8949) per WebSocket message. */
export function cbor<T = unknown>(options: CborOptions = {}): Codec<T> {
  return {
    name: 'cbor',
    stateless: true,
    decode: bytes => ({ messages: [{ value: decode<T>(plain(bytes), options.decode), bytes }], rest: nothing }),
    encode(value) {
      if (value === undefined) throw new TypeError('cbor: undefined is no message')
      return encode(value, options.encode)
    },
  }
}
