import { BlockList, isIP } from 'node:net'
import { splitAuthority } from '../http/target.ts'
import type { Destination } from './inbound.ts'

/** Hosts that are not looked into, as `NO_PROXY` names them. */
type Entry = (destination: Destination) => boolean

/** Which connections are looked into; all others are tunnelled untouched. */
export class Interception {
  readonly #table: ReadonlyMap<string, boolean>
  readonly #covers: boolean
  readonly #bypassed: readonly Entry[]

  /** @throws Error on entries that `bypassFault` finds fault with */
  constructor(intercept: 'none' | Readonly<Record<string, boolean>>, bypass: string | readonly string[]) {
    this.#covers = intercept !== 'none'
    this.#table = new Map(intercept === 'none' ? [] : Object.entries(intercept).map(([host, value]) => [host.toLowerCase(), value]))
    this.#bypassed = entriesOf(bypass).map(entryOf)
  }

  covers({ host, port }: Destination): boolean {
    const name = host.toLowerCase().replace(/\.$/, '')
    const told = this.#table.get(`${name}:${port}`) ?? this.#table.get(name)
    return told ?? (this.#covers && !this.#bypassed.some(matches => matches({ host: name, port })))
  }
}

/** What is wrong with a bypass list; `undefined` if nothing is. */
export function bypassFault(bypass: unknown): string | undefined {
  const isList = Array.isArray(bypass) && bypass.every(entry => typeof entry === 'string')
  if (typeof bypass !== 'string' && !isList) return "expected hosts as in NO_PROXY, such as ['localhost', '.example.com', '10.0.0.0/8']"
  const wrong = entriesOf(bypass as string | readonly string[]).find(entry => !parse(entry))
  return wrong === undefined
    ? undefined
    : `"${wrong}" is no host; expected 'host', '.suffix', '10.0.0.0/8' or '*', each with ':port' where only that is meant`
}

function entriesOf(bypass: string | readonly string[]): string[] {
  return (typeof bypass === 'string' ? [bypass] : bypass).flatMap(text => text.split(/[\s,]+/)).filter(entry => entry !== '')
}

function entryOf(text: string): Entry {
  const entry = parse(text)
  if (!entry) throw new Error(`${text}: ${bypassFault(text)}`)
  return entry
}

function parse(text: string): Entry | undefined {
  const subnet = /^(?<address>[0-9a-f.:]+)\/(?<prefix>\d{1,3})$/i.exec(text)?.groups
  if (subnet) return inSubnet(subnet['address'] ?? '', Number(subnet['prefix']))
  if (isIP(text) === 6) return inSubnet(text, 128)
  const named = splitAuthority(text, 0)
  if (!named || /[/@\\[\]]/.test(named.host) || named.port > 65535) return undefined
  const { port } = named
  const matches = hostEntry(named.host.toLowerCase())
  return matches && (destination => (port === 0 || port === destination.port) && matches(destination))
}

function hostEntry(host: string): Entry | undefined {
  if (host === '*') return () => true
  if (isIP(host) !== 0) return inSubnet(host, isIP(host) === 4 ? 32 : 128)
  const suffix = host.replace(/^\*/, '')
  if (suffix.includes('*')) return undefined
  return suffix.startsWith('.') ? destination => destination.host.endsWith(suffix) : destination => destination.host === host
}

function inSubnet(address: string, prefix: number): Entry | undefined {
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
  if (isIP(address) === 0 || prefix > (family === 'ipv4' ? 32 : 128)) return undefined
  const subnet = new BlockList()
  subnet.addSubnet(address, prefix, family)
  return ({ host }) => isIP(host) !== 0 && subnet.check(host, isIP(host) === 4 ? 'ipv4' : 'ipv6')
}
