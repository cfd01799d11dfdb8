import type { Side } from '../side.ts'
import { bandwidth } from './bandwidth.ts'
import { blackHole } from './black-hole.ts'
import type { Chance } from './chance.ts'
import { jitter } from './jitter.ts'
import { latency } from './latency.ts'
import { limit } from './limit.ts'
import type { RankedFault } from './link.ts'
import { resetAfter } from './reset-after.ts'
import { slice } from './slice.ts'
import { slowClose } from './slow-close.ts'
import { stall } from './stall.ts'

/** What is wrong with a network. Each direction of each connection meets it by itself. */
export interface LinkConditions {
  /** ms that everything takes longer, one way: a round trip takes twice as much. Latencies of several conditions add up. @default 0 */
  readonly latency?: number
  /** ms by which the latency varies in either direction, evenly. Order is kept. @default 0 */
  readonly jitter?: number
  /** Bytes per second, in each direction, or by who sends them. The sender is slowed. @default unlimited */
  readonly bandwidth?: number | { readonly client?: number; readonly server?: number }
  /** Bytes of the pieces that everything arrives in. @default as sent */
  readonly slice?: number | SliceConditions
  /** Bytes that pass in one direction of a connection, from when it meets the condition, before it ends for both sides. @default unlimited */
  readonly limit?: number | LimitConditions
  /** ms that the end of a connection, FIN or RST, takes longer than its bytes. @default 0 */
  readonly slowClose?: number
  /** ms after which a connection is reset, however busy it is; counted from when it meets the condition. @default never */
  readonly resetAfter?: number
  /** Share of the pieces, from 0 to 1, that is lost and sent again, so that all behind it waits. @default 0 */
  readonly stall?: number | StallConditions
  /** Nothing passes, no end either, and connections stay open; when the condition goes, what has waited goes on. @default false */
  readonly blackHole?: boolean
}

export interface SliceConditions {
  /** Bytes of a piece. */
  readonly size: number
  /** Bytes by which the size varies in either direction. @default 0 */
  readonly variation?: number
  /** ms between two pieces. @default 1, or they would arrive as one */
  readonly delay?: number
}

export interface LimitConditions {
  readonly bytes: number
  /** How the connection ends then. @default 'fin' */
  readonly then?: 'fin' | 'rst'
}

export interface StallConditions {
  /** From 0 to 1. */
  readonly probability: number
  /** ms until it is sent again. @default 200, the least that Linux waits (TCP_RTO_MIN) */
  readonly ms?: number
}

/** Where a set of faults stands. */
export interface FaultPlace {
  readonly from: Side
  /** When the connection met the conditions, in ms since the proxy started. */
  readonly since: number
  readonly chance: Chance
}

/** The faults that conditions come to for one direction of one connection, in the order in which bytes meet them. */
export function faultsOf(conditions: LinkConditions, { from, since, chance }: FaultPlace): readonly RankedFault[] {
  const { latency: ms = 0, jitter: spread = 0, slowClose: closing = 0, resetAfter: reset, blackHole: hole = false } = conditions
  const rate = typeof conditions.bandwidth === 'object' ? conditions.bandwidth[from] : conditions.bandwidth
  const slices = typeof conditions.slice === 'number' ? { size: conditions.slice } : conditions.slice
  const limited = typeof conditions.limit === 'number' ? { bytes: conditions.limit } : conditions.limit
  const stalls = typeof conditions.stall === 'number' ? { probability: conditions.stall } : conditions.stall
  const faults: RankedFault[] = []
  const add = (rank: number, made: readonly unknown[], make: RankedFault['make']): void => {
    faults.push({ rank, made: made.join(), make })
  }
  if (rate !== undefined) add(0, ['bandwidth', rate], () => bandwidth(rate))
  if (spread > 0) add(1, ['jitter', ms, spread], () => jitter(ms, spread, chance))
  else if (ms > 0) add(1, ['latency', ms], () => latency(ms))
  if (stalls && stalls.probability > 0) {
    const { probability, ms: again = 200 } = stalls
    add(2, ['stall', probability, again], () => stall(probability, again, chance))
  }
  if (slices) {
    const { size, variation = 0, delay = 1 } = slices
    add(3, ['slice', size, variation, delay], () => slice({ size, variation, delay }, chance))
  }
  if (closing > 0) add(4, ['slowClose', closing], () => slowClose(closing))
  if (limited) {
    const { bytes, then = 'fin' } = limited
    add(5, ['limit', bytes, then], () => limit(bytes, then))
  }
  if (reset !== undefined) add(6, ['resetAfter', reset], () => resetAfter(since + reset))
  if (hole) add(7, ['blackHole'], blackHole)
  return faults
}

/** True if what the conditions do depends on chance. */
export function isRandom({ jitter: spread = 0, slice: slices, stall: stalls = 0 }: LinkConditions): boolean {
  return spread > 0 || stalls !== 0 || (typeof slices === 'object' && (slices.variation ?? 0) > 0)
}

/** `latency 80 ms ± 20, bandwidth 64000 B/s`: for the journal. */
export function describeConditions(conditions: LinkConditions): string {
  const { latency: ms, jitter: spread, bandwidth: rate, slice: slices, limit: limited, stall: stalls } = conditions
  const words: string[] = []
  if (ms !== undefined || spread !== undefined) words.push(`latency ${ms ?? 0} ms${spread ? ` ± ${spread}` : ''}`)
  if (typeof rate === 'number') words.push(`bandwidth ${rate} B/s`)
  else if (rate) words.push(`bandwidth ${rate.client ?? 'unlimited'} B/s up, ${rate.server ?? 'unlimited'} B/s down`)
  if (slices !== undefined) words.push(`pieces of ${typeof slices === 'number' ? slices : slices.size} B`)
  if (limited !== undefined) {
    const { bytes, then = 'fin' } = typeof limited === 'number' ? { bytes: limited } : limited
    words.push(`${then === 'fin' ? 'FIN' : 'RST'} after ${bytes} B`)
  }
  if (stalls !== undefined) words.push(`${100 * (typeof stalls === 'number' ? stalls : stalls.probability)} % lost`)
  if (conditions.slowClose !== undefined) words.push(`ends ${conditions.slowClose} ms late`)
  if (conditions.resetAfter !== undefined) words.push(`reset after ${conditions.resetAfter} ms`)
  if (conditions.blackHole) words.push('black hole')
  return words.length === 0 ? 'as it is' : words.join(', ')
}
