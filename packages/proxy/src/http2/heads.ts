import type { IncomingHttpHeaders, IncomingHttpStatusHeader, OutgoingHttpHeaders } from 'node:http2'
import { fieldOf, withHeader } from '../http/raw-headers.ts'
import type { RequestHead, ResponseHead } from '../http/sides.ts'

/** Fields that speak of a connection, which a message in HTTP/2 has none of (RFC 9113 §8.2.2). */
const ofConnections = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'http2-settings'])

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
/** Older ones take a response's head by name only, so that repeated fields are sent together. */
const takesResponseLists = major > 24 || (major === 24 && minor >= 7)

/** Pseudo-headers (RFC 9113 §8.3) and fields of a head, each as names and values in turn. */
export function splitHead(rawHeaders: readonly string[]): { readonly pseudo: string[]; readonly fields: string[] } {
  const pseudo: string[] = []
  const fields: string[] = []
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const [name = '', value = ''] = [rawHeaders[n], rawHeaders[n + 1]]
    if (name.startsWith(':')) pseudo.push(name, value)
    else fields.push(name, value)
  }
  return { pseudo, fields }
}

export function pseudoHeader(pseudo: readonly string[], name: string): string | undefined {
  const at = pseudo.indexOf(name)
  return at < 0 ? undefined : pseudo[at + 1]
}

/** The authority that a request names (RFC 9113 §8.3.1). */
export function authorityOf({ rawHeaders, pseudoHeaders = [] }: RequestHead): string | undefined {
  return pseudoHeader(pseudoHeaders, ':authority') ?? fieldOf(rawHeaders, 'host')
}

/** A request's head with another origin. */
export function withOrigin(head: RequestHead, scheme: 'http' | 'https', authority: string): RequestHead {
  const own: Record<string, string> = { ':scheme': scheme, ':authority': authority }
  const pseudoHeaders = head.pseudoHeaders?.map((value, n, all) => (n % 2 === 1 ? (own[all[n - 1] ?? ''] ?? value) : value)) ?? []
  return { ...head, pseudoHeaders, rawHeaders: withHeader(head.rawHeaders, 'host', authority) }
}

/** A request's head as `request` takes it. */
export function requestHeaders({ method, requestTarget, rawHeaders, pseudoHeaders = [] }: RequestHead): OutgoingHttpHeaders | string[] {
  const list: string[] = []
  const own: Record<string, string> = { ':method': method, ':path': requestTarget }
  for (let n = 0; n < pseudoHeaders.length; n += 2) {
    const name = pseudoHeaders[n] ?? ''
    list.push(name, own[name] ?? pseudoHeaders[n + 1] ?? '')
  }
  if (pseudoHeaders.length === 0) list.push(...Object.entries(own).flat())
  list.push(...fieldsOnly(rawHeaders))
  // Node adds an `:authority` to a list without one, even where there is a Host.
  return list.includes(':authority') ? list : byName(list)
}

/** A response's head as `respond` takes it. */
export function responseHeaders({ status, rawHeaders }: ResponseHead): OutgoingHttpHeaders {
  const list = [':status', String(status), ...fieldsOnly(rawHeaders)]
  // The types know lists of requests only.
  return takesResponseLists ? (list as unknown as OutgoingHttpHeaders) : byName(list)
}

/** Names and values in turn, by name: what informational responses and trailers are sent as. */
export function byName(rawHeaders: readonly string[]): OutgoingHttpHeaders {
  const headers: Record<string, string | string[]> = {}
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const name = (rawHeaders[n] ?? '').toLowerCase()
    const value = rawHeaders[n + 1] ?? ''
    const before = headers[name]
    headers[name] = before === undefined ? value : [before, value].flat()
  }
  return headers
}

/** What a head says in HTTP/2: names in lower case (RFC 9113 §8.2.1), and nothing of a connection. */
export function fieldsOnly(rawHeaders: readonly string[]): string[] {
  const fields: string[] = []
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const [name, value] = [(rawHeaders[n] ?? '').toLowerCase(), rawHeaders[n + 1] ?? '']
    if (!ofConnections.has(name) && (name !== 'te' || value === 'trailers')) fields.push(name, value)
  }
  return fields
}

export function statusOf(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): number {
  return headers[':status'] ?? 0
}
