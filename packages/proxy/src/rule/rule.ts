import type { Connection } from '../connection.ts'
import type { Message } from '../message.ts'
import type { Scope } from '../scope.ts'
import type { Side } from '../side.ts'
import type { SourceLine } from '../source-line.ts'
import type { RequestRule } from './request-rule.ts'
import type { FalseCertificate, TlsAlert } from './tls-fault.ts'
import type { Corruption, Verdict } from './verdict.ts'

/** A predicate with the words for it. Built by `match.ts` from a partial object, a function, or nothing. */
export interface Match<V = unknown, M = unknown> {
  test(value: V, subject: M): boolean
  /** For transcripts: `{ action: "ATTACH" }`, `m => m.action === 'MESSAGE'`, or 'any'. */
  readonly text: string
  /** Why this value does not match, in a few words; `undefined` if it does or nothing helpful can be said. */
  explain?(value: V): string | undefined
  /** Literal `host` of the match, if it names one: tells which hosts a rule could answer for. */
  readonly host?: string
}

/** Counts only matches since the declaration; also those that a newer rule decided. */
export interface Selection {
  /** Act on the k-th match only, from 1. */
  readonly nth?: number
  /** Act at most this often. */
  readonly times?: number
  /** Let this many matches go first. */
  readonly skip?: number
  /** Act on every k-th match only, from 1, after those that were skipped. */
  readonly every?: number
  /** Matches count only once this is true. */
  readonly after?: () => boolean
}

/** Done in the same turn as the verdict, with nothing in between; 'terminate' and 'close' once what was written before is flushed. */
export type FollowUp =
  | { readonly kind: 'terminate' }
  | { readonly kind: 'close'; readonly code: number; readonly reason: string }
  | { readonly kind: 'send'; readonly to: Side; readonly value: unknown }
  /** The message itself once more, so many times. */
  | { readonly kind: 'repeat'; readonly times: number }

export type MessageAction =
  | { readonly kind: 'observe'; readonly fn: (value: unknown, message: Message) => void }
  | { readonly kind: 'drop' }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'hold'; readonly others: 'wait' | 'pass' }
  /** `fn` gets a value of its own to change; what it returns is sent, or what it changed if it returns `undefined`. */
  | { readonly kind: 'patch'; readonly fn: (value: unknown, message: Message) => unknown }
  | { readonly kind: 'replace'; readonly fn: (value: unknown, message: Message) => unknown }
  /** The receiver never gets it; its sender gets what `fn` returns, as if from the receiver. */
  | { readonly kind: 'reply'; readonly fn: (value: unknown, message: Message) => unknown }
  | { readonly kind: 'corrupt'; readonly how: Corruption }
  /** Passes; a 'repeat' follows. */
  | { readonly kind: 'duplicate' }
  /** `undefined` passes. */
  | { readonly kind: 'handle'; readonly fn: (value: unknown, message: Message) => Promise<Verdict | undefined> | Verdict | undefined }

/** A ping, pong or close frame (RFC 6455 §5.5) as it arrived. */
export interface ControlFrame {
  readonly kind: 'ping' | 'pong' | 'close'
  readonly connection: Connection
  readonly from: Side
  readonly at: number
  readonly payload: Uint8Array
  /** Of a close frame; 1005 for an empty one, and for pings and pongs. */
  readonly code: number
  /** Of a close frame, or ''. */
  readonly reason: string
}

export type ControlAction =
  | { readonly kind: 'observe'; readonly fn: (frame: ControlFrame) => void }
  | { readonly kind: 'drop' }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'hold' }
  /** Close frames only. */
  | { readonly kind: 'replace'; readonly code: number | undefined; readonly reason: string }

/** TCP phase: decided before a byte is read. `addresses`: what the host name stands for, where the client is to be shown several. */
export type ConnectAction =
  | { readonly kind: 'refuse'; readonly addresses?: readonly string[] }
  | { readonly kind: 'unreachable'; readonly code: 'EHOSTUNREACH' | 'ENETUNREACH'; readonly addresses?: readonly string[] }
  | { readonly kind: 'failDns'; readonly code?: 'ENOTFOUND' | 'EAI_AGAIN' }
  | { readonly kind: 'timeout' }
  /** The connection is accepted, and ended before a byte. */
  | { readonly kind: 'hangUp'; readonly how: 'fin' | 'rst' }
  /** The connection is accepted, and nothing comes: no answer to a ClientHello, nor to a request. */
  | { readonly kind: 'hang' }
  /** The ClientHello is answered with a fatal alert (RFC 8446 §6.2). */
  | { readonly kind: 'failTls'; readonly alert: TlsAlert }
  /** The client is shown a certificate that it must not accept; one that does not mind goes on as ever. */
  | { readonly kind: 'presentCertificate'; readonly certificate: FalseCertificate }

/** Handshake phase of a WebSocket: decided when its upgrade request has been read. */
export type HandshakeAction =
  | { readonly kind: 'respondWith'; readonly status: number; readonly body: Uint8Array; readonly headers: readonly string[] }
  | { readonly kind: 'hold' }
  | { readonly kind: 'redirect'; readonly url: string }
  | { readonly kind: 'reset' }
  /** FIN, unanswered. */
  | { readonly kind: 'end' }
  | { readonly kind: 'delay'; readonly ms: number }
  | { readonly kind: 'rewrite'; readonly fn: (request: RewritableHandshake) => void }
  /** Midwire is the server: it agrees, and says these messages first. */
  | { readonly kind: 'accept'; readonly messages: readonly unknown[] }

/** What a `rewrite` may change before upstream sees it; what it leaves alone leaves as it came. */
export interface RewritableHandshake {
  path: string
  /** Repeated keys are arrays; `undefined` takes one out. */
  query: Record<string, string | string[] | undefined>
  /** Names in lower case; `undefined` takes one out. */
  headers: Record<string, string | string[] | undefined>
}

/** What all rules have. */
export interface RuleBase extends Selection {
  readonly scope: Scope
  readonly at: SourceLine
  /** As in `named()`; transcripts fall back to the start and the place: `onServerMessage (channel.test.ts:35)`. */
  readonly name?: string
  /** 'onClientMessage', 'onConnect' …: the word the test used. */
  readonly start: string
  readonly optional: boolean
  /** Only this connection. */
  readonly connection?: Connection
}

export interface MessageRule extends RuleBase {
  readonly on: 'message'
  /** `undefined`: both directions. */
  readonly from: Side | undefined
  readonly match: Match<unknown, Message>
  readonly action: MessageAction
  readonly then: readonly FollowUp[]
}

export interface ConnectRule extends RuleBase {
  readonly on: 'connect'
  readonly match: Match<ConnectTarget, ConnectTarget>
  readonly action: ConnectAction
}

export interface HandshakeRule extends RuleBase {
  readonly on: 'handshake'
  readonly match: Match<HandshakeFacts, HandshakeFacts>
  readonly action: HandshakeAction
}

export interface ControlRule extends RuleBase {
  readonly on: 'control'
  readonly control: ControlFrame['kind']
  /** `undefined`: both directions. */
  readonly from: Side | undefined
  readonly match: Match<ControlFrame, ControlFrame>
  readonly action: ControlAction
}

/** What a TCP-phase match sees: the destination as the client named it. */
export interface ConnectTarget {
  readonly host: string
  readonly port: number
}

/** What a handshake match sees. */
export interface HandshakeFacts {
  readonly host: string
  readonly port: number
  readonly url: string
  readonly path: string
  readonly query: Readonly<Record<string, string | string[]>>
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** Subprotocols that the client offers, in order. */
  readonly protocol: readonly string[]
  readonly attempt: number
}

/** What the test declared, as frozen plain data. */
export type Rule = MessageRule | ControlRule | ConnectRule | HandshakeRule | RequestRule
