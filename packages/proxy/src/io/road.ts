import type { Destination } from '../capture/inbound.ts'
import type { Connection } from '../connection.ts'
import type { Scope } from '../scope.ts'
import type { Side } from '../side.ts'
import type { Leg } from './leg.ts'

/** A leg of a road, as what is bound for it sees it. */
export interface RoadLeg {
  /** The bottom one: TLS may have been put on it since. */
  readonly leg: Leg
  readonly host: string
  readonly port: number
}

/** What the network does not know of a road by itself. */
export interface RoadFacts {
  /** Whose it is now: pooled sockets are opened by one test and used by another. */
  readonly scope: Scope | undefined
  /** Where the client wanted to go; `undefined` for one that asked a proxy, whose upstream legs then say it. */
  readonly to: Destination | undefined
}

/** One TCP connection of a client, with the upstream legs behind it: what the conditions of the network apply to. */
export class Road {
  readonly client: Leg
  readonly to: RoadFacts['to']
  readonly #servers = new Set<RoadLeg>()
  readonly #onChange: (road: Road) => void
  #scope: Scope | undefined
  readonly #connections = new Set<Connection>()
  #isFree = false

  constructor(client: Leg, { scope, to }: RoadFacts, onChange: (road: Road) => void) {
    this.client = client
    this.to = to
    this.#scope = scope
    this.#onChange = onChange
    client.road = this
  }

  get scope(): Scope | undefined {
    return this.#scope
  }

  /** What travels on it: the WebSocket that it has become, or streams of messages over HTTP, several of them on HTTP/2. */
  get connections(): ReadonlySet<Connection> {
    return this.#connections
  }

  /** True once somebody has ended it by force: no condition holds it any more. */
  get isFree(): boolean {
    return this.#isFree
  }

  /** Both ends are gone. */
  get isOver(): boolean {
    return this.client.raw.destroyed && [...this.#servers].every(({ leg }) => leg.raw.destroyed)
  }

  /** What `from` sends leaves on these legs. */
  legsBehind(from: Side): readonly RoadLeg[] {
    if (from === 'client') return [...this.#servers]
    const { host = '', port = 0 } = this.to ?? [...this.#servers].at(-1) ?? {}
    return [{ leg: this.client, host, port }]
  }

  get legs(): readonly RoadLeg[] {
    return [...this.legsBehind('client'), ...this.legsBehind('server')]
  }

  /** An upstream leg has been dialled: for this host, or for where the client wanted to go. */
  join(leg: Leg, { host, port }: Destination = this.to ?? { host: '', port: 0 }): void {
    let bottom = leg
    while (bottom.under) bottom = bottom.under
    if ([...this.#servers].some(one => one.leg === bottom)) return this.changed()
    bottom.road = leg.road = this
    const server = { leg: bottom, host, port }
    this.#servers.add(server)
    bottom.raw.once('close', () => this.#servers.delete(server))
    this.#onChange(this)
  }

  /** The next request on it is this scope's. */
  passTo(scope: Scope | undefined): void {
    if (this.#scope === scope) return
    this.#scope = scope
    this.#isFree = false
    this.#onChange(this)
  }

  carry(connection: Connection): void {
    this.#connections.add(connection)
    this.#scope = connection.scope
    this.#onChange(this)
  }

  /** It travels here no more. */
  leave(connection: Connection): void {
    if (this.#connections.delete(connection)) this.#onChange(this)
  }

  /** From now on nothing holds it, until it is another scope's; what is on its way is lost. */
  free(): void {
    if (this.#isFree) return
    for (const { leg } of this.legs) {
      for (let at: Leg | undefined = leg.top; at; at = at.under) at.link?.drop()
    }
    this.release()
  }

  /** From now on nothing holds it, until it is another scope's: what is on its way goes on. */
  release(): void {
    this.#isFree = true
    this.#onChange(this)
  }

  /** Something about it has changed: other conditions may apply. */
  changed(): void {
    this.#onChange(this)
  }

  /** The network ends it, for both sides. */
  cut(how: 'fin' | 'rst'): void {
    for (const { leg } of this.legs) leg.top.cut(how)
  }
}
