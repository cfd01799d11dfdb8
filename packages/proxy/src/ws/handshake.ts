import { createHash } from 'node:crypto'
import { formatExtensions, parseExtensions } from './extension-header.ts'
import type { Extension } from './extension-header.ts'

/** RFC 6455 §4.2.2: the Sec-WebSocket-Accept that answers a Sec-WebSocket-Key. */
export function acceptKey(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** The subprotocols of a Sec-WebSocket-Protocol header, in order (RFC 6455 §4.1). */
export function parseProtocols(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
}

/** What both peers agreed on for this connection. */
export interface DeflateAgreement {
  /** permessage-deflate, with no context takeover in either direction. */
  readonly deflate: boolean
  /** Window of what the client sends, in bits. @default 15 */
  readonly clientWindowBits?: number
  /** Window of what the server sends, in bits. @default 15 */
  readonly serverWindowBits?: number
}

export interface RewrittenOffer {
  /** Sec-WebSocket-Extensions for upstream; `undefined`: send none. */
  readonly header: string | undefined
  /** Lines for the journal about what was left out. */
  readonly notes: readonly string[]
}

export interface RewrittenAnswer {
  /** Sec-WebSocket-Extensions for the client; `undefined`: send none. */
  readonly header: string | undefined
  readonly agreement: DeflateAgreement
  /** Why this connection cannot be relayed: upstream accepted what was not offered, or not in the way it was. */
  readonly problem: string | undefined
}

const name = 'permessage-deflate'
const takeovers = ['server_no_context_takeover', 'client_no_context_takeover'] as const

/**
 * Asks upstream for permessage-deflate with no context takeover in either direction (RFC 7692 §7.1.1), so that a message that is
 * dropped cannot corrupt the next one. Other extensions are left out: what they do to frames is unknown here.
 */
export function rewriteOffer(header: string | undefined): RewrittenOffer {
  const offered = parseExtensions(header)
  const notes = offered
    .filter(extension => extension.name !== name)
    .map(extension => `extension ${extension.name} not offered upstream: only ${name} can be relayed`)
  const kept = offered.filter(extension => extension.name === name).map(withoutTakeover)
  return { header: kept.length === 0 ? undefined : formatExtensions(kept), notes }
}

/** Turns upstream's answer to a rewritten offer into the answer for the client (RFC 7692 §7.1.1 lets a server add both limits unasked). */
export function rewriteAnswer(header: string | undefined, offer: RewrittenOffer): RewrittenAnswer {
  const accepted = parseExtensions(header)
  if (accepted.length === 0) return { header: undefined, agreement: { deflate: false }, problem: undefined }
  const [answer] = accepted
  const problem = problemOf(accepted, offer)
  if (problem !== undefined || !answer) return { header, agreement: { deflate: false }, problem }
  const clientWindowBits = bits(answer, 'client_max_window_bits')
  const serverWindowBits = bits(answer, 'server_max_window_bits')
  return {
    header: formatExtensions([withoutTakeover(answer)]),
    agreement: {
      deflate: true,
      ...(clientWindowBits === undefined ? {} : { clientWindowBits }),
      ...(serverWindowBits === undefined ? {} : { serverWindowBits }),
    },
    problem: undefined,
  }
}

function problemOf(accepted: readonly Extension[], offer: RewrittenOffer): string | undefined {
  const stranger = accepted.find(extension => extension.name !== name)
  if (stranger) return `upstream accepted the extension ${stranger.name}, which was not offered`
  if (offer.header === undefined) return `upstream accepted ${name}, which was not offered`
  if (accepted.length > 1) return `upstream accepted ${name} ${accepted.length} times, expected once`
  // RFC 7692 §7.1.1.1: a server that accepts an offer with this parameter MUST answer with it
  if (!accepted[0]?.parameters.some(([key]) => key === 'server_no_context_takeover')) {
    return `upstream accepted ${name} without server_no_context_takeover, which was asked for (RFC 7692 §7.1.1.1)`
  }
  return undefined
}

function withoutTakeover(extension: Extension): Extension {
  const missing = takeovers.filter(key => !extension.parameters.some(([present]) => present === key))
  return { name: extension.name, parameters: [...extension.parameters, ...missing.map((key): [string, undefined] => [key, undefined])] }
}

function bits(extension: Extension, key: string): number | undefined {
  const value = extension.parameters.find(([present]) => present === key)?.[1]
  return value === undefined ? undefined : Number(value)
}
