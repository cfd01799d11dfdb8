import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { DescMessage, MessageShape } from '@bufbuild/protobuf'
import type { Codec } from '@midwire/proxy'
import { cutMessages } from './cut-messages.ts'
import { plain } from './plain.ts'
import { readVarint, varint } from './varint.ts'

export interface ProtobufOptions {
  /** Each message has its length in front of it, as a varint; then several may share a WebSocket message. @default false */
  readonly delimited?: boolean
}

/** What each side sends, where that differs. */
export interface ProtobufSchemas<Client extends DescMessage, Server extends DescMessage> {
  readonly client: Client
  readonly server: Server
}

const nothing = new Uint8Array(0)

/** Protocol buffers of a given type, the schema of a message of `@bufbuild/protobuf`: one per WebSocket message. */
export function protobuf<Schema extends DescMessage>(schema: Schema, options?: ProtobufOptions): Codec<MessageShape<Schema>>
/** Likewise, with a type for each side. */
export function protobuf<Client extends DescMessage, Server extends DescMessage>(
  schemas: ProtobufSchemas<Client, Server>,
  options?: ProtobufOptions,
): Codec<MessageShape<Client> | MessageShape<Server>>
export function protobuf(
  schema: DescMessage | ProtobufSchemas<DescMessage, DescMessage>,
  { delimited = false }: ProtobufOptions = {},
): Codec<MessageShape<DescMessage>> {
  const { client, server } = 'kind' in schema ? { client: schema, server: schema } : schema
  const schemas = { client, server }
  const name = client === server ? `protobuf ${client.typeName}` : 'protobuf'
  if (!delimited) {
    return {
      name,
      stateless: true,
      decode: (bytes, { from }) => ({ messages: [{ value: fromBinary(schemas[from], plain(bytes)), bytes }], rest: nothing }),
      encode: (value, { from }) => toBinary(schemas[from], value),
    }
  }
  return {
    name,
    decode: (bytes, { from }) =>
      cutMessages(bytes, {
        sizeAt(within, at) {
          const length = readVarint(within, at, 5)
          return length && length.size + length.value
        },
        read: own => fromBinary(schemas[from], plain(own).subarray(readVarint(own, 0, 5)?.size)),
      }),
    encode(value, { from }) {
      const body = toBinary(schemas[from], value)
      return Buffer.concat([varint(body.length), body])
    },
  }
}
