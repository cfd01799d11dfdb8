import type { Codec } from '@midwire/sdk'
import { json, jsonArray } from '@midwire/sdk'
import { msgpack } from '@midwire/sdk/msgpack'
import { named, numbered, type ProtocolMessage } from './protocol-message.ts'

/** Ably's protocol messages: JSON in text frames, msgpack in binary ones, JSON over comet. What Midwire itself writes, the handshake says. */
export function ably(): Codec<ProtocolMessage, { readonly binary: boolean }> {
  const text = json()
  const packed = msgpack({ ignoreUndefined: true })
  return {
    name: 'ably',
    stateless: true,
    // Comet: an array of protocol messages a line of a response, and one as the body of a request; the path names the connection.
    streams: [{ path: '/comet/*', framing: 'lines', packing: jsonArray(), connectionKey: ({ path }) => keyOf(path) }],
    state: ({ url }) => ({ binary: new URL(url).searchParams.get('format') === 'msgpack' }),
    decode(bytes, context) {
      const { messages, rest } = (context.binary ? packed : text).decode(bytes, context)
      return { messages: messages.map(({ value, bytes: own }) => ({ value: named(value), bytes: own })), rest }
    },
    encode(message, context) {
      return (context.state.binary ? packed : text).encode(numbered(message), context)
    },
  }
}

/** `/comet/connect` begins a connection, and has no key yet; `/comet/<key>/send` belongs to one. */
function keyOf(path: string): string | undefined {
  const [, , key, step] = path.split('/')
  return step === undefined || key === undefined ? undefined : decodeURIComponent(key)
}
