import type { Codec } from '@midwire/proxy'
import type { Message } from 'graphql-ws'
import { jsonText } from './json.ts'
import { utf8 } from './utf8.ts'

/** A type of graphql-ws with its enum as the strings that travel. */
type OnTheWire<M> = M extends { readonly type: infer Type extends string } ? Omit<M, 'type'> & { readonly type: `${Type}` } : never

/** A message of the graphql-transport-ws protocol, told apart by `type`: `connection_init`, `subscribe`, `next` and the others. */
export type GraphqlWsMessage = OnTheWire<Message>

const types: Readonly<Record<GraphqlWsMessage['type'], true>> = {
  connection_init: true,
  connection_ack: true,
  ping: true,
  pong: true,
  subscribe: true,
  next: true,
  error: true,
  complete: true,
}

const nothing = new Uint8Array(0)

/** GraphQL over WebSocket as of graphql-ws (subprotocol graphql-transport-ws): one JSON object per WebSocket message. */
export function graphqlWs(): Codec<GraphqlWsMessage> {
  return {
    name: 'graphql-ws',
    stateless: true,
    decode(bytes) {
      const value = JSON.parse(utf8(bytes)) as GraphqlWsMessage | null
      if (typeof value !== 'object' || value === null || !Object.hasOwn(types, value.type))
        throw new TypeError(`no type of graphql-transport-ws: ${JSON.stringify(value?.type)}`)
      return { messages: [{ value, bytes }], rest: nothing }
    },
    encode: value => jsonText('graphql-ws', value),
  }
}
