import type { Codec } from '@midwire/sdk'
import { json } from '@midwire/sdk'
import { msgpack } from '@midwire/sdk/msgpack'
import { named, numbered, type ProtocolMessage } from './protocol-message.ts'

/** Ably's protocol messages: JSON in text frames, msgpack in binary ones. Which of them Midwire itself writes, the handshake says. */
export function ably(): Codec<ProtocolMessage, { readonly binary: boolean }> {
  const text = json()
  const packed = msgpack({ ignoreUndefined: true })
  return {
    name: 'ably',
    stateless: true,
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
