import type { Codec, CodecContext, CodecFrame, Decoded } from '@midwire/proxy'
import * as parser from 'socket.io-parser'
import type { Packet } from 'socket.io-parser'
import { carrierOf, pollingAt, readPacket, writePacket } from './engine-io.ts'
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
 * they belong: a BINARY_EVENT is an EVENT with bytes, a BINARY_ACK an ACK with bytes. Only what a client sends over long-polling comes one by one.
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
  | Announcement<'BINARY_EVENT'>
  | Announcement<'BINARY_ACK'>
  | { readonly type: 'attachment'; readonly data: Uint8Array }

/**
 * What a client over long-polling sends in one request, before the attachments in requests of their own: it waits for each to be answered,
 * so that a rule cannot wait for all of them. Where they belong, there are empty bytes.
 */
interface Announcement<Type extends string> {
  readonly type: Type
  readonly nsp: string
  readonly data: readonly unknown[]
  readonly id?: number
  /** How many follow. */
  readonly attachments: number
}

export interface SocketIoOptions {
  /** Where the server listens. @default '/socket.io/' */
  readonly path?: string
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
const mostAttachments = 1000

/**
 * Socket.IO 5 over Engine.IO 4. A packet and its binary attachments are one message, over WebSocket as well as in the bodies of long-polling.
 * `Events` are those of both directions, as in socket.io's own types.
 */
export function socketIo<Events = EventMap>({ path = '/socket.io/', parser: { Encoder, Decoder } = parser }: SocketIoOptions = {}): Codec<
  SocketIoPacket<Events>,
  SocketIoProgress
> {
  return {
    name: 'socket.io',
    streams: [pollingAt(path)],
    state: direction => ({ ...carrierOf(direction), decoder: new Decoder({ maxAttachments: Infinity }), frames: [] }),
    decode(bytes, context) {
      try {
        return readOn(bytes, context) as Decoded<SocketIoPacket<Events>>
      } catch (error) {
        startAgain(context.state)
        throw error
      }
    },
    encode(value, { state }) {
      return toEngineIo(value, packet => new Encoder().encode(packet)).map(packet => writePacket(packet, state))
    },
  }
}

/** One packet of Engine.IO: one of Socket.IO, or an attachment of the one that `bytes` begin with. */
function readOn(bytes: Uint8Array, { binary, from, state }: CodecContext<SocketIoProgress>): Decoded<SocketIoPacket> {
  const before = state.frames.reduce((sum, { size }) => sum + size, 0)
  const packet = readPacket(bytes.subarray(before), binary && !state.polling)
  if (state.frames.length > 0 && packet.type !== 'message') throw new TypeError(`${packet.type} came where an attachment was expected`)
  state.frames.push({ size: bytes.length - before, binary })
  const value = state.polling && from === 'client' ? takeAlone(packet, state) : take(packet, state)
  if (!value) return { messages: [], rest: bytes }
  const frames = state.frames
  state.frames = []
  return { messages: [{ value, bytes, ...(frames.length > 1 && { frames }) }], rest: nothing }
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

/** The same, for one whose attachments are no part of its message. */
function takeAlone(packet: EngineIoPacket, state: SocketIoProgress): SocketIoPacket {
  if (packet.type === 'message' && typeof packet.data !== 'string') return { type: 'attachment', data: packet.data }
  let found = take(packet, state)
  if (found) return found
  let attachments = 0
  for (; !found && attachments < mostAttachments; attachments++) found = take({ type: 'message', data: Buffer.alloc(0) }, state)
  if (found?.type === 'EVENT') return { ...found, type: 'BINARY_EVENT', attachments }
  if (found?.type === 'ACK') return { ...found, type: 'BINARY_ACK', attachments }
  throw new RangeError(`more than ${mostAttachments} attachments`)
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
  if (value.type === 'attachment') return [{ type: 'message', data: value.data }]
  if (!('nsp' in value)) return [value]
  const whole = { BINARY_EVENT: 'EVENT', BINARY_ACK: 'ACK' } as const
  const isAlone = value.type === 'BINARY_EVENT' || value.type === 'BINARY_ACK'
  const { attachments, ...fields } = { attachments: 0, ...value }
  const packet: Packet = { ...fields, type: parser.PacketType[isAlone ? whole[value.type] : value.type] }
  if (!parser.isPacketValid(packet)) throw new TypeError(`no valid ${value.type} packet of Socket.IO`)
  const packets = encode(packet).map((data): EngineIoPacket => ({ type: 'message', data: data as string | Uint8Array }))
  if (!isAlone) return packets
  if (packets.length - 1 !== attachments)
    throw new TypeError(`${value.type}: ${attachments} attachments, but ${packets.length - 1} in its data`)
  return packets.slice(0, 1)
}
