import type { Destination } from './inbound.ts'
import { MidwireError } from '../errors.ts'

/** A server that stands in for what the client meant. */
export interface Upstream {
  readonly host: string
  readonly port: number
  readonly secure: boolean
  /** As written, for messages. */
  readonly text: string
}

/** `http:`, `https:`, `ws:` or `wss:` URL → where to dial. @throws MidwireError MIDWIRE_BAD_INPUT */
export function parseUpstream(option: string, url: string): Upstream {
  let parsed: URL
  try {
    parsed = new URL(url)
  } catch {
    throw new MidwireError(
      'MIDWIRE_BAD_INPUT',
      `${option}: ${JSON.stringify(url)} is no URL — expected one such as 'http://127.0.0.1:4000'`,
    )
  }
  const secure = parsed.protocol === 'https:' || parsed.protocol === 'wss:'
  if (!secure && parsed.protocol !== 'http:' && parsed.protocol !== 'ws:') {
    throw new MidwireError('MIDWIRE_BAD_INPUT', `${option}: ${JSON.stringify(url)} — expected http:, https:, ws: or wss:`)
  }
  return { host: unbracket(parsed.hostname), port: Number(parsed.port || (secure ? 443 : 80)), secure, text: url }
}

/** Which server each destination is sent to: by `host:port`, then by host, then by `everything`. */
export class Routes {
  readonly #byAuthority = new Map<string, Upstream>()
  readonly #everything: Upstream | undefined

  constructor(route: Readonly<Record<string, string>>, everything: Upstream | undefined) {
    for (const [host, url] of Object.entries(route))
      this.#byAuthority.set(host.toLowerCase(), parseUpstream(`route[${JSON.stringify(host)}]`, url))
    this.#everything = everything
  }

  find({ host, port }: Destination): Upstream | undefined {
    const name = host.toLowerCase()
    return this.#byAuthority.get(`${name}:${port}`) ?? this.#byAuthority.get(name) ?? this.#everything
  }
}

function unbracket(host: string): string {
  return host.startsWith('[') ? host.slice(1, -1) : host
}
