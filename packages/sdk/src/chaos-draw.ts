import { deriveSeed, seededRandom } from '@midwire/proxy'
import type { Side } from '@midwire/proxy'

/** How likely each message meets which fault, from 0 to 1; together at most 1. A message meets one at most. */
export interface ChaosOdds {
  /** The receiver never gets it. @default 0 */
  readonly drop?: number
  /** It goes so many ms later, drawn between the two, and what is behind it waits. @default never */
  readonly delay?: { readonly p: number; readonly ms: readonly [min: number, max: number] }
  /** It is delivered twice. @default 0 */
  readonly duplicate?: number
  /** It is lost, and its connection ends with it: FIN to both sides, no close frame. @default 0 */
  readonly disconnect?: number
}

/** Which message: the n-th, from 1, that one side of the n-th connection of the test has sent. */
export interface ChaosPlace {
  readonly connection: number
  readonly from: Side
  readonly message: number
}

export type ChaosDeed = { readonly kind: 'drop' | 'duplicate' | 'disconnect' } | { readonly kind: 'delay'; readonly ms: number }

/** A fault that was applied: `'#1 client 3 drop'` is the third message of the client of the first connection. */
export type ChaosFault =
  | `#${number} ${Side} ${number} ${'drop' | 'duplicate' | 'disconnect'}`
  | `#${number} ${Side} ${number} delay ${number}`

/** What happens to one message: the same for the same seed, odds and place, whatever happens to all others. */
export function drawFault(
  seed: number,
  { drop = 0, delay, duplicate = 0, disconnect = 0 }: ChaosOdds,
  { connection, from, message }: ChaosPlace,
): ChaosDeed | undefined {
  const random = seededRandom(deriveSeed(seed, connection, from, message))
  const chance = (): number => random() / 2 ** 32
  let left = chance()
  const falls = (p: number): boolean => (left -= p) < 0
  if (falls(drop)) return { kind: 'drop' }
  if (falls(duplicate)) return { kind: 'duplicate' }
  if (falls(disconnect)) return { kind: 'disconnect' }
  if (!delay || !falls(delay.p)) return undefined
  const [min, max] = delay.ms
  return { kind: 'delay', ms: Math.round(min + chance() * (max - min)) }
}

export function writeFault({ connection, from, message }: ChaosPlace, deed: ChaosDeed): ChaosFault {
  const place = `#${connection} ${from} ${message}` as const
  return deed.kind === 'delay' ? `${place} delay ${deed.ms}` : `${place} ${deed.kind}`
}

const written =
  /^#(?<connection>[1-9]\d*) (?<from>client|server) (?<message>[1-9]\d*) (?:(?<kind>drop|duplicate|disconnect)|delay (?<ms>\d+))$/

/** `undefined` for what is no fault. */
export function readFault(text: unknown): { readonly place: ChaosPlace; readonly deed: ChaosDeed } | undefined {
  const found = typeof text === 'string' ? written.exec(text)?.groups : undefined
  if (!found) return undefined
  const { connection, from, message, kind, ms } = found
  const place: ChaosPlace = { connection: Number(connection), from: from === 'client' ? 'client' : 'server', message: Number(message) }
  if (kind === 'drop' || kind === 'duplicate' || kind === 'disconnect') return { place, deed: { kind } }
  return { place, deed: { kind: 'delay', ms: Number(ms) } }
}

/** The order in which faults are told: it does not depend on how connections and directions interleave. */
export function byPlace(a: ChaosPlace, b: ChaosPlace): number {
  return a.connection - b.connection || (a.from < b.from ? -1 : a.from > b.from ? 1 : 0) || a.message - b.message
}
