import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import type { Destination } from './inbound.ts'

/** Linux's table of connections; some kernels show it to root only, and some not at all. */
const table = '/proc/net/nf_conntrack'

/**
 * Where a redirected connection was meant to go; `undefined` where the kernel does not tell, or it came to us directly. (The socket
 * option SO_ORIGINAL_DST says the same to every user, but cannot be read from Node.)
 */
export async function originalDestination(socket: Socket): Promise<Destination | undefined> {
  const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket
  let lines: string
  try {
    lines = await readFile(table, 'latin1')
  } catch {
    return undefined
  }
  return findOriginal(lines, { host: remoteAddress, port: remotePort }, { host: localAddress, port: localPort })
}

/** One connection: what the client sent its first packet to, and who answers (the kernel prints IPv6 addresses in full). */
const entry =
  /^(?:ipv[46] +\d+ +)?tcp .*?src=(?<from>\S+) dst=(?<to>\S+) sport=(?<fromPort>\d+) dport=(?<toPort>\d+) .*?src=(?<by>\S+) dst=\S+ sport=(?<byPort>\d+) /

/** Finds what `client` asked for when `own` was what answered it, in the lines of nf_conntrack. */
export function findOriginal(lines: string, client: Destination, own: Destination): Destination | undefined {
  for (const line of lines.split('\n')) {
    if (!line.includes(`sport=${client.port} `)) continue
    const { from = '', fromPort, to = '', toPort, by = '', byPort } = entry.exec(line)?.groups ?? {}
    if (Number(fromPort) !== client.port || Number(byPort) !== own.port) continue
    if (!isSame(from, client.host) || !isSame(by, own.host)) continue
    if (Number(toPort) === own.port && isSame(to, own.host)) return undefined
    return { host: short(to), port: Number(toPort) }
  }
  return undefined
}

function isSame(one: string, other: string): boolean {
  return short(one) === short(other)
}

/** The text of RFC 5952 for an IPv6 address; others as they are. */
function short(address: string): string {
  return address.includes(':') ? new URL(`http://[${address}]/`).hostname.slice(1, -1) : address
}
