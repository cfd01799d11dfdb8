import type { Destination } from '../capture/inbound.ts'

/** What a request is about, as the client meant it, whatever `route` or `redirect` do. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly secure: boolean
  readonly url: string
  readonly path: string
  /** Repeated keys become arrays, in order. */
  readonly query: Readonly<Record<string, string | string[]>>
}

/** Host and port of an authority (RFC 3986 §3.2), IPv6 literals without their brackets. */
export function splitAuthority(authority: string, defaultPort: number): Destination | undefined {
  const match = /^(?:\[(?<ipv6>[^\]]+)\]|(?<name>[^:]*))(?::(?<port>\d+))?$/.exec(authority)
  const host = match?.groups?.['ipv6'] ?? match?.groups?.['name']
  if (!host) return undefined
  return { host, port: Number(match?.groups?.['port'] ?? defaultPort) }
}

/** `host` or `host:port`, bracketed where it must be, without the scheme's default port. */
export function authority(host: string, port: number, secure: boolean): string {
  const name = host.includes(':') ? `[${host}]` : host
  return port === (secure ? 443 : 80) ? name : `${name}:${port}`
}

/** The target of a request in origin form (RFC 9112 §3.2.1). `scheme` is 'http' or 'ws', to which an 's' is added if `secure`. */
export function targetOf(
  scheme: 'http' | 'ws',
  secure: boolean,
  destination: Destination,
  hostHeader: string | undefined,
  requestTarget: string,
): Target {
  // The Host header is what the client meant: its socket may have been told another address.
  const named = hostHeader === undefined ? undefined : splitAuthority(hostHeader.trim(), secure ? 443 : 80)
  const { host, port } = named ?? destination
  const [path, search = ''] = splitOnce(requestTarget, '?')
  return {
    host,
    port,
    secure,
    url: `${scheme}${secure ? 's' : ''}://${authority(host, port, secure)}${requestTarget}`,
    path,
    query: parseQuery(search),
  }
}

function parseQuery(search: string): Record<string, string | string[]> {
  const query = new Map<string, string | string[]>()
  for (const [key, value] of new URLSearchParams(search)) {
    const before = query.get(key)
    query.set(key, before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value])
  }
  return Object.fromEntries(query)
}

function splitOnce(text: string, separator: string): [string, string?] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)]
}
