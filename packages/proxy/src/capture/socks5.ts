import { isIPv4, isIPv6, SocketAddress } from 'node:net'
import type { Destination } from './inbound.ts'

/** RFC 1928 §3: the version of every message but those of RFC 1929. */
export const socksVersion = 5
/** RFC 1929 §2: the version of the credentials' own messages. */
export const credentialsVersion = 1

/** RFC 1928 §3. */
export const method = { none: 0, usernamePassword: 2, unacceptable: 0xff } as const
/** RFC 1928 §4. */
export const command = { connect: 1, bind: 2, udpAssociate: 3 } as const
/** RFC 1928 §5. */
export const addressType = { ipv4: 1, domain: 3, ipv6: 4 } as const
/** RFC 1928 §6. */
export const reply = {
  succeeded: 0,
  generalFailure: 1,
  notAllowed: 2,
  networkUnreachable: 3,
  hostUnreachable: 4,
  connectionRefused: 5,
  ttlExpired: 6,
  commandNotSupported: 7,
  addressTypeNotSupported: 8,
} as const

/** What a reply code says, in the words of RFC 1928 §6. */
export function replyText(code: number): string {
  const texts = [
    'succeeded',
    'general SOCKS server failure',
    'connection not allowed by ruleset',
    'Network unreachable',
    'Host unreachable',
    'Connection refused',
    'TTL expired',
    'Command not supported',
    'Address type not supported',
  ]
  return texts[code] ?? `unassigned (${code})`
}

/** The reply that tells of a failed connect. */
export function replyTo(error: unknown): number {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  switch (code) {
    case 'ECONNREFUSED':
      return reply.connectionRefused
    case 'ENETUNREACH':
      return reply.networkUnreachable
    case 'EHOSTUNREACH':
    case 'ETIMEDOUT':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return reply.hostUnreachable
    default:
      return reply.generalFailure
  }
}

/** A request, and a reply: version, what is asked or said, and an address (RFC 1928 §4, §6). */
export function message(code: number, address: Destination): Buffer {
  const port = Buffer.alloc(2)
  port.writeUInt16BE(address.port)
  return Buffer.concat([Buffer.from([socksVersion, code, 0]), addressBytes(address.host), port])
}

/** Type and bytes of an address; a name is left to the other side to look up. */
function addressBytes(host: string): Buffer {
  if (isIPv4(host)) return Buffer.from([addressType.ipv4, ...host.split('.').map(Number)])
  if (isIPv6(host)) return Buffer.concat([Buffer.from([addressType.ipv6]), ipv6Bytes(host)])
  const name = Buffer.from(host, 'utf8')
  if (name.length > 255) throw new RangeError(`${host} is longer than the 255 bytes that SOCKS has for a name`)
  return Buffer.concat([Buffer.from([addressType.domain, name.length]), name])
}

/** The text of an address's bytes. */
export function addressText(type: number, bytes: Buffer): string {
  if (type === addressType.ipv4) return bytes.join('.')
  if (type === addressType.domain) return bytes.toString('utf8')
  const groups = Array.from({ length: 8 }, (_, n) => bytes.readUInt16BE(2 * n).toString(16))
  return new SocketAddress({ family: 'ipv6', address: groups.join(':') }).address
}

function ipv6Bytes(host: string): Buffer {
  // The URL parser writes an embedded IPv4 address as groups, too (RFC 5952).
  const [text = ''] = host.split('%')
  const [before = '', after = ''] = new URL(`http://[${text}]/`).hostname.slice(1, -1).split('::')
  const [head, tail] = [before, after].map(part => (part === '' ? [] : part.split(':').map(group => Number.parseInt(group, 16))))
  const groups = [...(head ?? []), ...Array<number>(8 - (head?.length ?? 0) - (tail?.length ?? 0)).fill(0), ...(tail ?? [])]
  const bytes = Buffer.alloc(16)
  for (const [n, group] of groups.entries()) bytes.writeUInt16BE(group, 2 * n)
  return bytes
}
