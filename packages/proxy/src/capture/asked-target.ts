import type { IncomingMessage } from 'node:http'
import { authority, splitAuthority } from '../http/target.ts'
import type { Destination } from './inbound.ts'

/** Where a request to a proxy is to go. */
export interface AskedTarget {
  readonly secure: boolean
  readonly destination: Destination
  /** What upstream gets as its request-target (RFC 9112 §3.2). */
  readonly requestTarget: string
  /** What upstream gets as `Host`, where it is not the client's own. */
  readonly hostHeader: string | undefined
}

/** Fields that name the upstream of a request in origin form, and are removed before it sees them. */
export const upstreamFields = { host: 'midwire-host', protocol: 'midwire-proto' } as const

const schemes = /^(?:https?|wss?)$/i

/** Reads the target from a request in absolute form, from its `Midwire-Host` and `Midwire-Proto`, or from its `Host`; a text says what is wrong. */
export function askedTarget({
  url = '',
  method,
  headers,
  rawHeaders,
}: Pick<IncomingMessage, 'url' | 'method' | 'headers' | 'rawHeaders'>): AskedTarget | string {
  const absolute = /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<named>[^/?#]*)(?<rest>.*)$/i.exec(url)?.groups
  if (absolute) {
    const { scheme = '', named = '', rest = '' } = absolute
    if (!schemes.test(scheme)) return `${scheme}: is none of http:, https:, ws: and wss:`
    const secure = isSecure(scheme)
    const destination = destinationOf(named, secure)
    if (!destination) return `${JSON.stringify(named)} is no host, or host:port`
    // RFC 9112 §3.2.4.
    const requestTarget = rest === '' ? (method === 'OPTIONS' ? '*' : '/') : rest.startsWith('/') ? rest : `/${rest}`
    return { secure, destination, requestTarget, hostHeader: undefined }
  }
  if (!url.startsWith('/') && url !== '*') {
    return `${JSON.stringify(url)} is no target of a request to a proxy; expected a URL such as http://host/path`
  }
  const [host, protocol] = [headers[upstreamFields.host], headers[upstreamFields.protocol]]
  if (host === undefined) {
    const own = headers.host ?? ''
    const destination = destinationOf(own, false)
    return destination
      ? { secure: false, destination, requestTarget: url, hostHeader: undefined }
      : `the Host ${JSON.stringify(own)} names no host`
  }
  const scheme = protocol === undefined ? 'http' : String(protocol).trim()
  if (!schemes.test(scheme)) return `Midwire-Proto: ${JSON.stringify(scheme)}; expected http, https, ws or wss`
  const secure = isSecure(scheme)
  const destination = destinationOf(String(host).trim(), secure)
  if (!destination) return `Midwire-Host: ${JSON.stringify(host)}; expected host, or host:port`
  const hostHeader = rawHeaders.some((name, n) => n % 2 === 0 && name.toLowerCase() === 'host')
    ? authority(destination.host, destination.port, secure)
    : undefined
  return { secure, destination, requestTarget: url, hostHeader }
}

function isSecure(scheme: string): boolean {
  return /s$/i.test(scheme)
}

function destinationOf(named: string, secure: boolean): Destination | undefined {
  const destination = splitAuthority(named, secure ? 443 : 80)
  if (!destination || /[\s@\\,"<>]/.test(destination.host)) return undefined
  return destination.port >= 1 && destination.port <= 65535 ? destination : undefined
}
