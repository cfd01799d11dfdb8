import type { Codec } from '@midwire/sdk'

/** A payload that leaves as it is, whatever the codec, and as what it says it is. */
export class RawPayload {
  readonly data: string | Uint8Array

  constructor(data: string | Uint8Array) {
    this.data = data
  }
}

const nothing = new Uint8Array(0)
const decoder = new TextDecoder('utf-8', { fatal: true })

/** Text that holds a JSON object or array is that; all other text is a string, and binary messages are their bytes. */
export const plainCodec: Codec<unknown> = {
  name: 'plain',
  stateless: true,
  decode: (bytes, { binary }) => ({ messages: [{ value: binary ? bytes : textValue(bytes), bytes }], rest: nothing }),
  // In an array each keeps its own type: what was text may leave as binary.
  encode: value => (value instanceof Uint8Array || typeof value === 'string' ? [value] : jsonText(value)),
}

/** `codec`, but that every message has a value: what it cannot decode is its text, or its bytes; and that raw payloads leave as they are. */
export function controlCodec(codec: Codec<unknown> = plainCodec): Codec<unknown> {
  return {
    ...codec,
    decode(bytes, context) {
      if (!codec.stateless) return codec.decode(bytes, context)
      try {
        return codec.decode(bytes, context)
      } catch {
        return plainCodec.decode(bytes, context)
      }
    },
    encode: (value, context) => (value instanceof RawPayload ? [value.data] : codec.encode(value, context)),
  }
}

function textValue(bytes: Uint8Array): unknown {
  const text = decoder.decode(bytes)
  if (!/^\s*[[{]/.test(text)) return text
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function jsonText(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined) throw new TypeError(`${typeof value} has no JSON form`)
  return text
}
