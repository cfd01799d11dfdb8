import { type Chance, chanceOf } from '../fault/chance.ts'
import { faultsOf, isRandom } from '../fault/conditions.ts'
import { isHost } from '../fault/host-match.ts'
import type { NetworkConditions } from '../fault/network-conditions.ts'
import type { Scope } from '../scope.ts'
import type { Side } from '../side.ts'
import type { Clock } from './clock.ts'
import type { LegLink } from './leg-link.ts'
import type { Leg } from './leg.ts'
import type { Road, RoadLeg } from './road.ts'
import { ReachableStream } from './reachable-stream.ts'

/** Where conditions stand on one leg. */
interface Standing {
  readonly link: LegLink
  readonly version: number
}

export interface LiveConditionOptions {
  readonly scope: Scope
  readonly conditions: NetworkConditions
  readonly clock: Clock
  readonly seed: number
  /** Which of its scope's it is, from 0. */
  readonly ordinal: number
  /** It is live no more. */
  readonly onEnd: () => void
  /** The seed has mattered. */
  readonly onDraw: () => void
}

/** Conditions as they are applied to roads. */
export class LiveCondition {
  readonly scope: Scope
  readonly #options: LiveConditionOptions
  readonly #met = new WeakMap<Road, { readonly ordinal: number; readonly since: number; readonly isChosen: boolean }>()
  readonly #standing = new WeakMap<Leg, Standing>()
  #conditions: NetworkConditions
  #version = 0
  #count = 0

  constructor(options: LiveConditionOptions) {
    this.#options = options
    this.scope = options.scope
    this.#conditions = options.conditions
  }

  get conditions(): NetworkConditions {
    return this.#conditions
  }

  end(): void {
    this.#options.onEnd()
  }

  change(conditions: NetworkConditions): void {
    this.#conditions = conditions
    this.#version++
  }

  /** True if it is for what the client and its servers say on this road, in either direction. */
  covers(road: Road, { host, port }: Pick<RoadLeg, 'host' | 'port'>): boolean {
    const { host: wanted, connection } = this.#conditions
    if (road.isFree || !road.scope || this.scope.ended || !this.scope.isRelatedTo(road.scope)) return false
    if (typeof connection === 'function' && ![...road.connections].some(connection)) return false
    if (typeof connection === 'object' && !road.connections.has(connection)) return false
    return isHost(wanted, host, port)
  }

  /** Stands on the leg that carries what `from` sends, if it is for it, and on no other link of it. */
  apply(road: Road, from: Side, roadLeg: RoadLeg, isLive: boolean): void {
    const { from: wanted } = this.#conditions
    const isFor = isLive && (wanted === undefined || wanted === from) && this.covers(road, roadLeg) && this.#meets(road).isChosen
    const before = this.#standing.get(roadLeg.leg)
    if (!isFor && !before) return
    const link = isFor ? this.#legFor(roadLeg.leg).linkOn(this.#options.clock) : undefined
    if (before && before.link === link && before.version === this.#version) return
    if (before && before.link !== link) before.link.set(this, [])
    if (!link) return void this.#standing.delete(roadLeg.leg)
    this.#standing.set(roadLeg.leg, { link, version: this.#version })
    const { ordinal, since } = this.#meets(road)
    const chance = this.#chance(ordinal, from === 'client' ? 0 : 1)
    if (isRandom(this.#conditions)) this.#options.onDraw()
    link.set(this, faultsOf(this.#conditions, { from, since, chance }))
  }

  #legFor(leg: Leg): Leg {
    const { top } = leg
    if (this.#conditions.layer !== 'tcp') return top
    let lowest = top
    for (let at: Leg | undefined = top; at; at = at.under) if (at.stream instanceof ReachableStream) lowest = at
    return lowest
  }

  #meets(road: Road): { readonly ordinal: number; readonly since: number; readonly isChosen: boolean } {
    const known = this.#met.get(road)
    if (known) return known
    const { probability = 1 } = this.#conditions
    const ordinal = this.#count++
    if (probability < 1) this.#options.onDraw()
    const isChosen = probability >= 1 || this.#chance(ordinal, 2)() < probability
    const met = { ordinal, since: this.#options.clock.now(), isChosen }
    this.#met.set(road, met)
    return met
  }

  #chance(...parts: readonly number[]): Chance {
    return chanceOf(this.#options.seed, this.#options.ordinal, ...parts)
  }
}
