import type { Codec, CodecContext } from '@midwire/proxy'
import { jsonText } from './json.ts'
import { utf8 } from './utf8.ts'

/**
 * A message of Phoenix channels, with the names of its client. `payload` is bytes where the message is binary; that of a binary reply is
 * `{ status, response }`, with bytes as response.
 */
export interface PhoenixMessage<Payload = unknown> {
  readonly join_ref: string | null
  readonly ref: string | null
  readonly topic: string
  /** `phx_join`, `phx_leave`, `phx_reply`, `phx_error`, `phx_close`, `heartbeat`, or one of the application. */
  readonly event: string
  readonly payload: Payload
}

/** First byte of a binary message. */
const kinds = { push: 0, reply: 1, broadcast: 2 } as const
const nothing = new Uint8Array(0)

/** Phoenix channels, serializer 2.0.0: JSON arrays in text messages, and binary pushes, replies and broadcasts. */
export function phoenix<Payload = unknown>(): Codec<PhoenixMessage<Payload>> {
  return {
    name: 'phoenix',
    stateless: true,
    decode(bytes, { binary, from }) {
      const value = binary ? readBinary(bytes, from) : readArray(JSON.parse(utf8(bytes)))
      return { messages: [{ value: value as PhoenixMessage<Payload>, bytes }], rest: nothing }
    },
    encode(value, { from }) {
      const { join_ref: joinRef, ref, topic, event, payload } = value
      return [writeBinary(value, from) ?? jsonText('phoenix', [joinRef, ref, topic, event, payload])]
    },
  }
}

function readArray(array: unknown): PhoenixMessage {
  if (!Array.isArray(array) || array.length !== 5 || typeof array[2] !== 'string' || typeof array[3] !== 'string')
    throw new TypeError('expected [join_ref, ref, topic, event, payload]')
  const [joinRef, ref, topic, event, payload] = array as [string | null, string | null, string, string, unknown]
  return { join_ref: joinRef, ref, topic, event, payload }
}

/** Sizes, then the fields, then the payload. A push of the server has no ref. */
function readBinary(bytes: Uint8Array, from: CodecContext['from']): PhoenixMessage {
  switch (bytes[0]) {
    case kinds.push: {
      if (from === 'server') {
        const [[joinRef = '', topic = '', event = ''], payload] = readFields(bytes, 3)
        return { join_ref: joinRef, ref: null, topic, event, payload }
      }
      const [[joinRef = '', ref = '', topic = '', event = ''], payload] = readFields(bytes, 4)
      return { join_ref: joinRef, ref, topic, event, payload }
    }
    case kinds.reply: {
      const [[joinRef = '', ref = '', topic = '', status = ''], response] = readFields(bytes, 4)
      return { join_ref: joinRef, ref, topic, event: 'phx_reply', payload: { status, response } }
    }
    case kinds.broadcast: {
      const [[topic = '', event = ''], payload] = readFields(bytes, 2)
      return { join_ref: null, ref: null, topic, event, payload }
    }
    case undefined:
    default:
      throw new TypeError(`no kind of binary message: ${bytes[0]}`)
  }
}

function readFields(bytes: Uint8Array, count: number): [fields: string[], payload: Uint8Array] {
  let at = 1 + count
  const fields = Array.from({ length: count }, (_, n) => {
    const start = at
    at += bytes[1 + n] ?? 0
    return utf8(bytes.subarray(start, at))
  })
  if (at > bytes.length) throw new RangeError('the message is shorter than its fields')
  return [fields, bytes.subarray(at)]
}

/** Nothing for a message that is JSON. */
function writeBinary(
  { join_ref: joinRef, ref, topic, event, payload }: PhoenixMessage,
  from: CodecContext['from'],
): Uint8Array | undefined {
  if (payload instanceof Uint8Array) {
    if (from === 'client') return writeFields(kinds.push, [joinRef ?? '', ref ?? '', topic, event], payload)
    return joinRef === null
      ? writeFields(kinds.broadcast, [topic, event], payload)
      : writeFields(kinds.push, [joinRef, topic, event], payload)
  }
  if (from !== 'server' || event !== 'phx_reply' || typeof payload !== 'object' || payload === null) return undefined
  const { status, response } = payload as { readonly status?: unknown; readonly response?: unknown }
  if (!(response instanceof Uint8Array)) return undefined
  return writeFields(kinds.reply, [joinRef ?? '', ref ?? '', topic, String(status)], response)
}

function writeFields(kind: number, fields: readonly string[], payload: Uint8Array): Uint8Array {
  const parts = fields.map(field => Buffer.from(field))
  const long = parts.findIndex(part => part.length > 255)
  if (long >= 0) throw new RangeError(`a field of a binary message has at most 255 bytes: ${JSON.stringify(fields[long])}`)
  return Buffer.concat([Uint8Array.of(kind, ...parts.map(part => part.length)), ...parts, payload])
}
