import type { Destination } from '../capture/inbound.ts'
import type { Connection } from '../connection.ts'
import { describeConditions } from '../fault/conditions.ts'
import { showHosts } from '../fault/host-match.ts'
import type { NetworkConditions, NetworkHandle, Outage, OutageOptions } from '../fault/network-conditions.ts'
import type { Scope } from '../scope.ts'
import type { Side } from '../side.ts'
import type { Clock } from './clock.ts'
import { farewell } from './farewell.ts'
import { Leg } from './leg.ts'
import { LiveCondition } from './live-condition.ts'
import { LiveOutage } from './live-outage.ts'
import { Road, type RoadFacts } from './road.ts'
import { ReachableStream } from './reachable-stream.ts'

const sides = ['client', 'server'] as const

export interface NetworkOptions {
  readonly clock: Clock
  /** What is drawn under this key, and only that, follows from it. */
  readonly seedOf: (key: string) => number
  readonly onDraw: () => void
  /** Whose code runs now. */
  readonly currentScope: () => Scope | undefined
  readonly note: (connection: Connection | undefined, scope: Scope | undefined, text: string) => void
  /** The present place in the journal. */
  readonly mark: () => number
}

/** One direction of a connection that is frozen. */
export interface Freeze {
  /** The place in the journal at which it began. */
  readonly since: number
  thaw(): void
}

interface StartOptions {
  /** What chance draws under. */
  readonly key?: string
  readonly onEnd?: () => void
}

/** The network between the clients and their servers: every road on it, and what is wrong with it now. */
export class Network {
  readonly #options: NetworkOptions
  readonly #roads = new Set<Road>()
  readonly #conditions = new Set<LiveCondition>()
  readonly #outages = new Set<LiveOutage>()
  readonly #counts = new WeakMap<Scope, number>()

  constructor(options: NetworkOptions) {
    this.#options = options
  }

  /** A client has been accepted. */
  open(client: Leg, facts: RoadFacts): Road {
    const road = new Road(client, facts, changed => {
      // A pooled connection may be used by a test that has no network.
      for (const outage of this.#outages) this.#cut(changed, outage)
      this.#apply(changed)
    })
    this.#roads.add(road)
    client.raw.once('close', () => this.#forget(road))
    this.#apply(road)
    return road
  }

  /** The leg that TLS is to be put on: one whose bytes can be reached, where conditions ask for that. */
  beneathTls(leg: Leg): Leg {
    const { road } = leg
    if (!road || ![...this.#conditions].some(one => one.conditions.layer === 'tcp' && road.legs.some(at => one.covers(road, at))))
      return leg
    return reachable(leg)
  }

  /** It goes on as another. */
  leave(road: Road): void {
    this.#withdraw(road, [...this.#conditions])
    this.#roads.delete(road)
  }

  /** Makes conditions live, for what is open and for what will be. */
  add(scope: Scope, conditions: NetworkConditions, key: string): NetworkHandle {
    const live = this.#start(scope, conditions, { key })
    const connection = typeof conditions.connection === 'function' ? undefined : conditions.connection
    const where = conditions.host === undefined ? '' : ` for ${showHosts(conditions.host)}`
    const note = (text: string): void => this.#options.note(connection, scope, `network${where}: ${text}`)
    note(describeConditions(conditions))
    const dispose = (): void => {
      if (this.#stop(live)) note('as it was')
    }
    return {
      get conditions() {
        return live.conditions
      },
      change: changes => {
        if (!this.#conditions.has(live)) return
        const merged: NetworkConditions = Object.fromEntries(
          Object.entries({ ...live.conditions, ...changes }).filter(([, value]) => value !== undefined),
        )
        live.change(merged)
        note(describeConditions(merged))
        this.#applyAll()
      },
      dispose,
      [Symbol.dispose]: dispose,
    }
  }

  /** From now on nothing that `from` sends passes on this connection, and what arrives waits. */
  freeze(connection: Connection, from: Side, onThaw: () => void): Freeze {
    const since = this.#options.mark()
    const live = this.#start(this.#options.currentScope() ?? connection.scope, { blackHole: true, from, connection }, { onEnd: onThaw })
    this.#options.note(connection, connection.scope, `frozen: nothing that the ${from} sends passes`)
    const thaw = (): void => {
      if (this.#stop(live)) this.#options.note(connection, connection.scope, `thawed: what the ${from} sent goes on`)
    }
    return { since, thaw }
  }

  /** Takes the network away from `scope`. */
  goOffline(scope: Scope, options: OutageOptions = {}): Outage {
    const { hosts, end = 'fin' } = options
    const hole = end === 'silent' ? this.#start(scope, { blackHole: true, ...(hosts !== undefined && { host: hosts }) }) : undefined
    const outage = new LiveOutage(scope, options)
    this.#outages.add(outage)
    const where = hosts === undefined ? '' : ` for ${showHosts(hosts)}`
    this.#options.note(undefined, scope, `network${where}: offline (${outage.text})`)
    for (const road of this.#roads) this.#cut(road, outage)
    const goOnline = (): void => {
      if (!this.#outages.delete(outage)) return
      if (hole) this.#stop(hole)
      outage.end('online')
      this.#options.note(undefined, scope, `network${where}: online`)
    }
    return { goOnline, [Symbol.dispose]: goOnline }
  }

  /** Why nothing can be reached there now, if so. */
  outageFor(scope: Scope | undefined, { host, port }: Destination): LiveOutage | undefined {
    if (!scope) return undefined
    for (const outage of this.#outages) if (outage.covers(scope, host, port)) return outage
    return undefined
  }

  /** What was declared in these scopes ends; resolves when what had waited has been handed on, or nobody takes it. */
  endScope(inScope: (scope: Scope) => boolean): Promise<void> | undefined {
    for (const outage of this.#outages) {
      if (!inScope(outage.scope)) continue
      this.#outages.delete(outage)
      outage.end('ended')
    }
    const ending = [...this.#conditions].filter(({ scope }) => inScope(scope))
    const isInvolved = (road: Road): boolean =>
      ending.length > 0 || (this.#conditions.size > 0 && road.scope !== undefined && inScope(road.scope))
    const involved = [...this.#roads].filter(isInvolved)
    for (const live of ending) this.#conditions.delete(live)
    for (const road of involved) {
      this.#withdraw(road, ending)
      // What was declared around the test has no say in how the test ends.
      if (road.scope && inScope(road.scope)) road.release()
    }
    for (const live of ending) live.end()
    if (involved.length === 0) return undefined
    return farewell(Promise.all(involved.flatMap(road => road.legs.flatMap(({ leg }) => leg.top.link?.flushed() ?? []))))
  }

  /** Ends what leads where the network is away. */
  #cut(road: Road, outage: LiveOutage): void {
    const { scope } = road
    const { how } = outage
    if (!scope || !how) return
    const gone = road.legs.filter(({ leg, host, port }) => !leg.closed && outage.covers(scope, host, port))
    if (gone.length === 0) return
    this.#noteLoss(road, gone[0]?.host ?? '')
    for (const { leg } of gone) leg.top.cut(how)
  }

  #noteLoss(road: Road, host: string): void {
    const { note } = this.#options
    for (const connection of road.connections) note(connection, road.scope, 'the network went away')
    if (road.connections.size === 0) note(undefined, road.scope, `the network went away from under a connection to ${host}`)
  }

  #start(scope: Scope, conditions: NetworkConditions, { key = scope.name, onEnd = () => {} }: StartOptions = {}): LiveCondition {
    const ordinal = this.#counts.get(scope) ?? 0
    this.#counts.set(scope, ordinal + 1)
    const { clock, seedOf, onDraw } = this.#options
    const live = new LiveCondition({ scope, conditions, clock, seed: seedOf(key), ordinal, onDraw, onEnd })
    this.#conditions.add(live)
    this.#applyAll()
    return live
  }

  #stop(live: LiveCondition): boolean {
    if (!this.#conditions.delete(live)) return false
    for (const road of this.#roads) this.#withdraw(road, [live])
    live.end()
    return true
  }

  #applyAll(): void {
    for (const road of this.#roads) this.#apply(road)
  }

  #apply(road: Road): void {
    for (const live of this.#conditions) this.#each(road, (from, at) => live.apply(road, from, at, true))
    this.#forget(road)
  }

  #withdraw(road: Road, ending: readonly LiveCondition[]): void {
    for (const live of ending) this.#each(road, (from, at) => live.apply(road, from, at, false))
  }

  #each(road: Road, fn: (from: Side, at: ReturnType<Road['legsBehind']>[number]) => void): void {
    for (const from of sides) for (const at of road.legsBehind(from)) fn(from, at)
  }

  #forget(road: Road): void {
    if (road.isOver) this.#roads.delete(road)
  }
}

/** The same leg, with its bytes passing through JavaScript. */
export function reachable(leg: Leg): Leg {
  // A Duplex does all that is asked of what TLS and HTTP/2 run over.
  return new Leg(leg.raw, new ReachableStream(leg.stream) as unknown as Leg['stream'], leg)
}
