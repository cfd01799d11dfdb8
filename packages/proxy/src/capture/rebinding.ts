import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { type PlainAnswer } from '../http/plain-answer.ts'
import { splitAuthority } from '../http/target.ts'

/**
 * Why a request to one of our ports is turned away: its Host (RFC 9112 §3.2) is this port under a strange name. So asks a browser for a page
 * whose author let his own name lead here, and who could read the answers then (DNS rebinding).
 */
export function reboundFault(
  { url = '', headers: { host = '' } }: IncomingMessage,
  localPort: number | undefined,
): PlainAnswer | undefined {
  if (!url.startsWith('/')) return undefined
  const named = splitAuthority(host, 80)
  if (named?.port !== localPort || !named || isIP(named.host) !== 0 || /^(?:.+\.)?localhost\.?$/i.test(named.host)) return undefined
  return { status: 421, text: `Midwire: ${host} is no name of this port; ask 127.0.0.1:${localPort} or localhost:${localPort}` }
}
