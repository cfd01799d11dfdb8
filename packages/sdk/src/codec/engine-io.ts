import type { Codec, CodecDirection } from '@midwire/proxy'
import { decodePacket, encodePacket } from 'engine.io-parser'
import type { Packet } from 'engine.io-parser'
import { readOne } from './cut-messages.ts'
import { joinedBy } from './delimited-json.ts'
import { jsonText } from './json.ts'
import { utf8 } from './utf8.ts'

/** What the server says first. */
export interface EngineIoHandshake {
  readonly sid: string
  readonly upgrades: readonly string[]
  /** In ms. */
  readonly pingInterval: number
  /** In ms. */
  readonly pingTimeout: number
  /** In bytes. */
  readonly maxPayload: number
}

/** A packet that carries none of an application's messages. */
export type EngineIoControl =
  | { readonly type: 'open'; readonly data: EngineIoHandshake }
  | { readonly type: 'ping' | 'pong'; readonly data?: string }
  | { readonly type: 'close' | 'upgrade' | 'noop' }

/** A packet of Engine.IO 4, told apart by `type`. */
export type EngineIoPacket = EngineIoControl | { readonly type: 'message'; readonly data: string | Uint8Array }

/** How packets travel. */
export interface Carrier {
  /** HTTP long-polling: several packets in a body, with U+001E in between, and binary ones as base64. */
  readonly polling: boolean
}

const recordSeparator = 0x1e
const nothing = new Uint8Array(0)

/** Engine.IO 4 as it is, for servers that speak it without Socket.IO: one packet per WebSocket message, several per polling body. */
export function engineIo(): Codec<EngineIoPacket, Carrier> {
  return {
    name: 'engine.io',
    stateless: true,
    state: carrierOf,
    decode(bytes, { binary, state }) {
      if (!state.polling) return { messages: [{ value: readPacket(bytes, binary), bytes }], rest: nothing }
      return { messages: cutPayload(bytes).map(own => readOne(own, readPolled)), rest: nothing }
    },
    encode: (value, { state }) => writePacket(value, state),
    pack: packPolled,
  }
}

/** The transport that a URL asks for. */
export function carrierOf({ url }: Pick<CodecDirection, 'url'>): Carrier {
  return { polling: URL.parse(url)?.searchParams.get('transport') === 'polling' }
}

/** The packets of a polling body, each with the separator behind it. */
export function cutPayload(bytes: Uint8Array): Uint8Array[] {
  const parts: Uint8Array[] = []
  let start = 0
  for (let end = bytes.indexOf(recordSeparator); end >= 0; end = bytes.indexOf(recordSeparator, start)) {
    parts.push(bytes.subarray(start, end + 1))
    start = end + 1
  }
  return start < bytes.length ? [...parts, bytes.subarray(start)] : parts
}

/** @throws TypeError if it is no packet */
export function readPolled(own: Uint8Array): EngineIoPacket {
  return readPacket(own.at(-1) === recordSeparator ? own.subarray(0, -1) : own, false)
}

/** @throws TypeError if it is no packet */
export function readPacket(bytes: Uint8Array, binary: boolean): EngineIoPacket {
  if (binary) return { type: 'message', data: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) }
  const text = utf8(bytes)
  const { type, data } = decodePacket(text)
  switch (type) {
    case 'open':
      return { type, data: JSON.parse(String(data)) as EngineIoHandshake }
    case 'message':
      return { type, data: data === undefined ? '' : (data as string | Uint8Array) }
    case 'ping':
    case 'pong':
      return data === undefined ? { type } : { type, data: String(data) }
    case 'close':
    case 'upgrade':
    case 'noop':
      return { type }
    case 'error':
      throw new TypeError(text === '' ? 'an empty packet' : `no packet begins with ${JSON.stringify(text[0])}`)
  }
}

/** What a packet leaves as. @throws TypeError if it is none */
export function writePacket(packet: EngineIoPacket, { polling }: Carrier): string | readonly (string | Uint8Array)[] {
  const plain: Packet = packet.type === 'open' ? { type: 'open', data: jsonText('engine.io', packet.data) } : { ...packet }
  if (!types.has(plain.type)) throw new TypeError(`no packet of Engine.IO has the type ${JSON.stringify(plain.type)}`)
  let written: unknown
  encodePacket(plain, !polling, encoded => {
    written = encoded
  })
  if (polling) return String(written)
  return [typeof written === 'string' ? written : (written as Uint8Array)]
}

const types: ReadonlySet<string> = new Set([
  'open',
  'close',
  'ping',
  'pong',
  'message',
  'upgrade',
  'noop',
] satisfies EngineIoPacket['type'][])

/** Over WebSocket, packets never share a payload. */
export function packPolled(messages: readonly Uint8Array[]): Uint8Array {
  return joinedBy(recordSeparator, messages)
}
