import { decode, encode } from '@msgpack/msgpack'

const actions = [
  ...['HEARTBEAT', 'ACK', 'NACK', 'CONNECT', 'CONNECTED', 'DISCONNECT', 'DISCONNECTED', 'CLOSE', 'CLOSED', 'ERROR', 'ATTACH'],
  ...['ATTACHED', 'DETACH', 'DETACHED', 'PRESENCE', 'MESSAGE', 'SYNC', 'AUTH', 'ACTIVATE', 'OBJECT', 'OBJECT_SYNC', 'ANNOTATION'],
] as const
const presenceActions = ['ABSENT', 'PRESENT', 'ENTER', 'LEAVE', 'UPDATE'] as const

/** Bits of `flags`. */
export const Flag = {
  HAS_PRESENCE: 1,
  HAS_BACKLOG: 2,
  RESUMED: 4,
  ATTACH_RESUME: 32,
  HAS_OBJECTS: 128,
  /** Presence, publish, subscribe and presence-subscribe: what a channel allows by default. */
  BASIC_MODES: 983_040,
  /** Every bit that is a mode. */
  ALL_MODES: 57_606_144,
} as const

/** Numbers are those of actions that have no name yet. */
export type Action = (typeof actions)[number] | number
export type PresenceAction = (typeof presenceActions)[number] | number

export interface ErrorInfo {
  readonly code: number
  readonly statusCode: number
  /** Clients choke on an error without one. */
  readonly message: string
}

/** The status is in the first three digits. */
export function errorOf(code: number, message = `error ${code}`): ErrorInfo {
  return { code, statusCode: Math.trunc(code / 100), message }
}

export interface ConnectionDetails {
  connectionKey?: string
  clientId?: string
  connectionStateTtl?: number
  maxIdleInterval?: number
  maxMessageSize?: number
  siteCode?: string
  objectsGCGracePeriod?: number
}

export interface WireMessage {
  readonly id?: string
  readonly name?: string
  readonly clientId?: string
  readonly connectionId?: string
  readonly timestamp?: number
  readonly data?: unknown
  readonly encoding?: string
  readonly serial?: string
  readonly action?: number
  readonly extras?: { readonly delta?: { readonly from: string; readonly format: string } }
}

export interface PresenceMember {
  readonly action: PresenceAction
  readonly id?: string
  readonly clientId?: string
  readonly connectionId?: string
  readonly timestamp?: number
  readonly data?: unknown
  readonly encoding?: string
}

export interface ObjectOperation {
  readonly action: number
  readonly objectId: string
  readonly mapSet?: { readonly key: string; readonly value: { readonly string?: string } }
  readonly counterInc?: { readonly number: number }
}

export interface ObjectState {
  readonly objectId: string
  readonly siteTimeserials: Readonly<Record<string, string>>
  readonly tombstone: boolean
  readonly counter?: { readonly count: number }
  readonly map?: {
    readonly semantics: number
    readonly entries: Readonly<
      Record<string, { readonly timeserial: string; readonly data: { readonly objectId?: string; readonly string?: string } }>
    >
  }
}

export interface ObjectMessage {
  readonly serial?: string
  readonly siteCode?: string
  readonly operation?: ObjectOperation
  readonly object?: ObjectState
}

/** What travels between Ably and its clients, with words for the numbers of its actions. */
export interface ProtocolMessage {
  readonly action: Action
  readonly id?: string
  readonly flags?: number
  readonly channel?: string
  readonly channelSerial?: string | null
  readonly connectionId?: string
  readonly connectionDetails?: ConnectionDetails
  readonly msgSerial?: number
  readonly count?: number
  readonly res?: readonly { readonly serials: readonly string[] }[]
  readonly error?: ErrorInfo
  readonly auth?: { readonly accessToken: string }
  readonly params?: Readonly<Record<string, string>>
  readonly timestamp?: number
  readonly messages?: readonly WireMessage[]
  readonly presence?: readonly PresenceMember[]
  readonly annotations?: readonly { readonly [field: string]: unknown }[]
  readonly state?: readonly ObjectMessage[]
}

export type Format = 'json' | 'msgpack'

/** A value as the format writes it: text for JSON, bytes for msgpack. */
export function write(value: unknown, format: Format): string | Uint8Array {
  return format === 'json' ? JSON.stringify(value) : encode(value, { ignoreUndefined: true })
}

/** @throws SyntaxError or RangeError on what is not of the format */
export function read(bytes: Uint8Array, format: Format): unknown {
  return format === 'json' ? JSON.parse(Buffer.from(bytes).toString('utf8')) : decode(bytes)
}

/** Puts words for numbers. @throws TypeError on what is no protocol message */
export function named(wire: unknown): ProtocolMessage {
  if (typeof wire !== 'object' || wire === null || !('action' in wire) || typeof wire.action !== 'number') {
    throw new TypeError('no protocol message: expected an object with an action')
  }
  const message = wire as Omit<ProtocolMessage, 'action'> & { readonly action: number }
  const { presence } = message
  return {
    ...message,
    action: actions[message.action] ?? message.action,
    ...(presence && { presence: presence.map(member => ({ ...member, action: presenceActions[Number(member.action)] ?? member.action })) }),
  }
}

/** Puts numbers for words. @throws TypeError on a word that is no action */
export function numbered(message: ProtocolMessage): object {
  const { presence } = message
  return {
    ...message,
    action: numberOf(message.action, actions),
    ...(presence && { presence: presence.map(member => ({ ...member, action: numberOf(member.action, presenceActions) })) }),
  }
}

function numberOf(action: string | number, names: readonly string[]): number {
  if (typeof action === 'number') return action
  const number = names.indexOf(action)
  if (number < 0) throw new TypeError(`"${action}" is no action; expected one of ${names.join(', ')}`)
  return number
}
