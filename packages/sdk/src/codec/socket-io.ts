import type { Codec, CodecContext, CodecFrame, Decoded, DecodedMessage, UndecodedMessage } from '@midwire/proxy'
import * as parser from 'socket.io-parser'
import type { Packet } from 'socket.io-parser'
import { messageOf } from './cut-messages.ts'
import { carrierOf, cutPayload, packPolled, readPacket, readPolled, writePacket } from './engine-io.ts'
import type { Carrier, EngineIoControl, EngineIoPacket } from './engine-io.ts'

/** Events by name, as in the types of socket.io: `{ chat: (text: string) => void }`. */
type EventMap = Readonly<Record<string, (...args: never[]) => void>>

/** Arguments that travel: a callback at the end stays behind. */
type Sent<Args extends readonly unknown[]> = Args extends [...infer Others, (...args: never[]) => unknown] ? Others : Args

/** The data of an event: its name, and its arguments. */
type EventData<Events> = {
  [Name in keyof Events & string]: Events[Name] extends (...args: infer Args) => void ? [Name, ...Sent<Args>] : never
}[keyof Events & string]

/**
 * A packet of Socket.IO 5, told apart by `type` in capitals, or one of Engine.IO below it, in small letters. Attachments stand in `data`, where
 * they belong: a BINARY_EVENT is an EVENT with bytes, a BINARY_ACK an ACK with bytes.
 */
export type SocketIoPacket<Events = EventMap> =
  | EngineIoControl
  | { readonly type: 'CONNECT'; readonly nsp: string; readonly data?: Readonly<Record<string, unknown>> }
  | { readonly type: 'DISCONNECT'; readonly nsp: string }
  | {
      readonly type: 'EVENT'
      readonly nsp: string
      readonly data: EventMap extends Events ? [string, ...unknown[]] : EventData<Events>
      readonly id?: number
    }
  | { readonly type: 'ACK'; readonly nsp: string; readonly data: unknown[]; readonly id: number }
  | { readonly type: 'CONNECT_ERROR'; readonly nsp: string; readonly data: unknown }

export interface SocketIoOptions {
  /** The parser that client and server are given as `parser`. @default socket.io-parser */
  readonly parser?: Pick<typeof parser, 'Encoder' | 'Decoder'>
}

/** Where a direction has come to. */
export interface SocketIoProgress extends Carrier {
  readonly decoder: InstanceType<typeof parser.Decoder>
  /** Of a packet whose attachments have not all come. */
  frames: CodecFrame[]
}

const nothing = new Uint8Array(0)

/**
 * Socket.IO 5 over Engine.IO 4. A packet and its binary attachments are one message, over WebSocket as well as in the bodies of long-polling.
 * `Events` are those of both directions, as in socket.io's own types.
 */
export function socketIo<Events = EventMap>({ parser: { Encoder, Decoder } = parser }: SocketIoOptions = {}): Codec<
  SocketIoPacket<Events>,
  SocketIoProgress
> {
  return {
    name: 'socket.io',
    state: direction => ({ ...carrierOf(direction), decoder: new Decoder({ maxAttachments: Infinity }), frames: [] }),
    decode(bytes, context) {
      try {
        const decoded = context.state.polling ? decodeBody(bytes, context) : decodeFrame(bytes, context)
        return decoded as Decoded<SocketIoPacket<Events>>
      } catch (error) {
        startAgain(context.state)
        throw error
      }
    },
    encode(value, { state }) {
      const packets = toEngineIo(value, packet => new Encoder().encode(packet))
      const written = packets.map(packet => writePacket(packet, state))
      return state.polling ? written.join('\x1e') : written.flat()
    },
    pack: packPolled,
  }
}

/** One WebSocket message: a packet, or one of the attachments of the packet that `bytes` begin with. */
function decodeFrame(bytes: Uint8Array, { binary, state }: CodecContext<SocketIoProgress>): Decoded<SocketIoPacket> {
  const before = state.frames.reduce((sum, { size }) => sum + size, 0)
  const packet = readPacket(bytes.subarray(before), binary)
  if (state.frames.length > 0 && packet.type !== 'message') throw new TypeError(`${packet.type} came where an attachment was expected`)
  state.frames.push({ size: bytes.length - before, binary })
  const value = take(packet, state)
  if (!value) return { messages: [], rest: bytes }
  const frames = state.frames
  state.frames = []
  return { messages: [{ value, bytes, ...(frames.length > 1 && { frames }) }], rest: nothing }
}

/** A body of long-polling: packets, each followed by its attachments. */
function decodeBody(bytes: Uint8Array, { state }: CodecContext<SocketIoProgress>): Decoded<SocketIoPacket> {
  const messages: (DecodedMessage<SocketIoPacket> | UndecodedMessage)[] = []
  let start = 0
  let end = 0
  for (const part of cutPayload(bytes)) {
    end += part.length
    try {
      const value = take(readPolled(part), state)
      if (!value) continue
      messages.push({ value, bytes: bytes.subarray(start, end) })
    } catch (error) {
      startAgain(state)
      messages.push({ undecodable: messageOf(error), bytes: bytes.subarray(start, end) })
    }
    start = end
  }
  if (start < end) startAgain(state)
  return start < end
    ? { messages: [...messages, { undecodable: 'its attachments are not in this body', bytes: bytes.subarray(start) }], rest: nothing }
    : { messages, rest: nothing }
}

/** What a packet of Engine.IO means; nothing while attachments are to come. */
function take(packet: EngineIoPacket, { decoder }: SocketIoProgress): SocketIoPacket | undefined {
  if (packet.type !== 'message') return packet
  let found: Packet | undefined
  decoder.on('decoded', decoded => {
    found = decoded
  })
  try {
    decoder.add(packet.data)
  } finally {
    decoder.off('decoded')
  }
  return found && fromParser(found)
}

function fromParser({ type, nsp, data, id }: Packet): SocketIoPacket {
  // Of the parser's fields, those that the packet has.
  return {
    type: parser.PacketType[type],
    nsp,
    ...(data !== undefined && { data: data as unknown }),
    ...(id !== undefined && { id }),
  } as SocketIoPacket
}

function startAgain(state: SocketIoProgress): void {
  state.frames = []
  state.decoder.destroy()
}

function toEngineIo(value: SocketIoPacket, encode: (packet: Packet) => unknown[]): EngineIoPacket[] {
  if (!('nsp' in value)) return [value]
  const packet: Packet = { ...value, type: parser.PacketType[value.type] }
  if (!parser.isPacketValid(packet)) throw new TypeError(`no valid ${value.type} packet of Socket.IO`)
  return encode(packet).map(data => ({ type: 'message', data: data as string | Uint8Array }))
}
