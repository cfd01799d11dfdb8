import { createHash, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** Why a client is turned away, as the status of the answer and a line for people. */
export interface Refusal {
  readonly status: 401 | 403
  readonly text: string
}

/** Who may control the proxy: whoever has the token, and is no page of a browser. */
export function admit({ url = '/', headers }: Pick<IncomingMessage, 'url' | 'headers'>, token: string): Refusal | undefined {
  // RFC 6455 §10.2: browsers send it, and pages cannot leave it out.
  if (headers.origin !== undefined)
    return { status: 403, text: `requests of web pages are not let in (Origin: ${headers.origin.slice(0, 200)})` }
  const given = bearer(headers.authorization) ?? queryToken(url)
  if (given === undefined) return { status: 401, text: 'the token is missing; give it as "Authorization: Bearer TOKEN" or as ?token=TOKEN' }
  return isSame(given, token) ? undefined : { status: 401, text: 'this is not the token that was printed at the start' }
}

/** RFC 6750 §2.1 */
function bearer(field: string | undefined): string | undefined {
  return field === undefined ? undefined : /^bearer +(?<token>\S+) *$/i.exec(field)?.groups?.['token']
}

function queryToken(target: string): string | undefined {
  const base = 'http://127.0.0.1'
  return (URL.canParse(target, base) && new URL(target, base).searchParams.get('token')) || undefined
}

/** Takes as long for every wrong one. */
function isSame(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
}
