import type { Codec } from '@midwire/proxy'
import { Decoder, Encoder } from '@msgpack/msgpack'
import type { DecoderOptions, EncoderOptions } from '@msgpack/msgpack'
import { cutMessages } from './cut-messages.ts'
import { jsonText } from './json.ts'
import type { SignalRMessage } from './signalr-message.ts'
import { utf8 } from './utf8.ts'
import { readVarint, varint } from './varint.ts'

export type * from './signalr-message.ts'

interface Progress {
  /** The handshake, which is JSON, has been read. */
  handshaken: boolean
}

const recordSeparator = 0x1e

/**
 * SignalR's MessagePack hub protocol: a handshake in JSON, then length-prefixed MessagePack, several in a WebSocket message. Messages look
 * as they do in its JSON protocol. The options are those of `@msgpack/msgpack`.
 */
export function signalRMsgpack(options: DecoderOptions & EncoderOptions = {}): Codec<SignalRMessage, Progress> {
  const decoder = new Decoder(options)
  const encoder = new Encoder(options)
  return {
    name: 'signalr msgpack',
    state: () => ({ handshaken: false }),
    decode: (bytes, { state }) =>
      cutMessages(bytes, {
        sizeAt(within, at) {
          if (!state.handshaken) {
            const end = within.indexOf(recordSeparator, at)
            return end < 0 ? undefined : end + 1 - at
          }
          const length = readVarint(within, at, 5)
          return length && length.size + length.value
        },
        read(own) {
          if (!state.handshaken) {
            state.handshaken = true
            return JSON.parse(utf8(own.subarray(0, -1))) as SignalRMessage
          }
          return fromArray(decoder.decode(own.subarray(readVarint(own, 0, 5)?.size)))
        },
      }),
    encode(value) {
      if (value.type === undefined) return jsonText('signalr msgpack', value) + String.fromCharCode(recordSeparator)
      const body = encoder.encode(toArray(value))
      return Buffer.concat([varint(body.length), body])
    },
  }
}

/** What a completion carries (its fourth item). */
const resultKind = { error: 1, void: 2, value: 3 } as const

function fromArray(array: unknown): SignalRMessage {
  if (!Array.isArray(array)) throw new TypeError('expected an array')
  const [type, second, third, fourth, fifth, sixth] = array as readonly unknown[]
  const headers = isFilled(second) ? { headers: second as Readonly<Record<string, string>> } : {}
  const invocationId = third as string
  switch (type) {
    case 1:
    case 4: {
      const call = { ...headers, target: fourth as string, arguments: fifth as readonly unknown[] }
      const streamIds = Array.isArray(sixth) && sixth.length > 0 ? { streamIds: sixth as readonly string[] } : {}
      if (type === 4) return { type, ...call, invocationId, ...streamIds }
      return { type, ...call, ...(typeof third === 'string' && { invocationId }), ...streamIds }
    }
    case 2:
      return { type, ...headers, invocationId, item: fourth }
    case 3:
      if (fourth === resultKind.error) return { type, ...headers, invocationId, error: fifth as string }
      return { type, ...headers, invocationId, ...(fourth === resultKind.value && { result: fifth }) }
    case 5:
      return { type, ...headers, invocationId }
    case 6:
      return { type }
    case 7:
      return {
        type,
        ...(typeof second === 'string' && { error: second }),
        ...(typeof third === 'boolean' && { allowReconnect: third }),
      }
    case 8:
    case 9:
      return { type, sequenceId: second as number }
    default:
      throw new TypeError(`no message type of the hub protocol: ${String(type)}`)
  }
}

function toArray(message: Exclude<SignalRMessage, { readonly type?: undefined }>): readonly unknown[] {
  switch (message.type) {
    case 1:
    case 4: {
      const { type, headers = {}, invocationId = null, target, streamIds = [] } = message
      return [type, headers, invocationId, target, message.arguments, streamIds]
    }
    case 2:
      return [2, message.headers ?? {}, message.invocationId, message.item]
    case 3: {
      const { headers = {}, invocationId } = message
      if (message.error !== undefined) return [3, headers, invocationId, resultKind.error, message.error]
      if ('result' in message) return [3, headers, invocationId, resultKind.value, message.result]
      return [3, headers, invocationId, resultKind.void]
    }
    case 5:
      return [5, message.headers ?? {}, message.invocationId]
    case 6:
      return [6]
    case 7:
      return [7, message.error ?? null, ...(message.allowReconnect === undefined ? [] : [message.allowReconnect])]
    case 8:
    case 9:
      return [message.type, message.sequenceId]
    default:
      throw new TypeError(`no message type of the hub protocol: ${String((message as { readonly type?: unknown }).type)}`)
  }
}

function isFilled(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length > 0
}
