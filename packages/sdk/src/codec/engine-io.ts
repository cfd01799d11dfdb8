import { separated } from '@midwire/proxy'
import type { Codec, CodecDirection, StreamDeclaration } from '@midwire/proxy'
import { decodePacket, encodePacket } from 'engine.io-parser'
import type { Packet } from 'engine.io-parser'
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
  /** HTTP long-polling: all is text, binary packets are written as base64. */
  readonly polling: boolean
}

export interface EngineIoOptions {
  /** Where the server listens. @default '/engine.io/' */
  readonly path?: string
}

const nothing = new Uint8Array(0)

/** Engine.IO 4 as it is, for servers that speak it without Socket.IO, over WebSocket and long-polling. */
export function engineIo({ path = '/engine.io/' }: EngineIoOptions = {}): Codec<EngineIoPacket, Carrier> {
  return {
    name: 'engine.io',
    stateless: true,
    streams: [pollingAt(path)],
    state: carrierOf,
    decode: (bytes, { binary, state }) => ({ messages: [{ value: readPacket(bytes, binary && !state.polling), bytes }], rest: nothing }),
    encode: (value, { state }) => [writePacket(value, state)],
  }
}

/** Packets in a body with U+001E in between; where none is left, the `noop` that a server answers a poll with that it gives up. */
const packets = separated('\x1e', { empty: '6' })

/** The exchanges of long-polling: one connection for each session that the server has opened. */
export function pollingAt<T extends { readonly type: string }>(path: string): StreamDeclaration<T> {
  return {
    path,
    connectionKey: 'sid',
    packing: packets,
    answers: ({ method }) => method === 'GET',
    endsAfter: ({ type }) => type === 'close',
  }
}

/** The transport that a URL asks for. */
export function carrierOf({ url }: Pick<CodecDirection, 'url'>): Carrier {
  return { polling: URL.parse(url)?.searchParams.get('transport') === 'polling' }
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
export function writePacket(packet: EngineIoPacket, { polling }: Carrier): string | Uint8Array {
  const plain: Packet = packet.type === 'open' ? { type: 'open', data: jsonText('engine.io', packet.data) } : { ...packet }
  if (!types.has(plain.type)) throw new TypeError(`no packet of Engine.IO has the type ${JSON.stringify(plain.type)}`)
  let written: unknown
  encodePacket(plain, !polling, encoded => {
    written = encoded
  })
  return typeof written === 'string' ? written : (written as Uint8Array)
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
