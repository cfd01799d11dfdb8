import type { Transport } from '../connection.ts'
import type { Target } from '../http/target.ts'
import type { Journal } from '../journal/journal.ts'
import type { Scope } from '../scope.ts'
import type { Clock } from './clock.ts'
import { farewell } from './farewell.ts'
import { WireConnection } from './wire-connection.ts'
import type { RequestHeaders } from './wire-connection.ts'

/** Every WebSocket of the proxy, in the order of their handshakes. */
export class Connections {
  readonly #clock: Clock
  readonly #journal: Journal
  readonly #all: WireConnection[] = []
  readonly #live = new Set<WireConnection>()

  constructor(clock: Clock, journal: Journal) {
    this.#clock = clock
    this.#journal = journal
  }

  get all(): readonly WireConnection[] {
    return this.#all
  }

  get live(): ReadonlySet<WireConnection> {
    return this.#live
  }

  /** An upgrade request has arrived, or the first request of a stream of messages. */
  open(scope: Scope, target: Target, request: RequestHeaders, transport: Transport = 'websocket'): WireConnection {
    const at = this.#clock.now()
    const attempt = 1 + this.#all.filter(earlier => earlier.scope === scope && earlier.host === target.host).length
    const connection = new WireConnection({ id: this.#all.length + 1, attempt, scope, target, request, at, transport })
    this.#all.push(connection)
    this.#live.add(connection)
    void connection.closed.then(() => {
      this.#live.delete(connection)
      this.#journal.changed()
    })
    this.#journal.append({ kind: 'handshake', at, scope, connection })
    return connection
  }

  /** Its 101 was written, or the head of its first response has come. */
  opened(connection: WireConnection): void {
    this.#journal.append({ kind: 'connection', at: this.#clock.now(), scope: connection.scope, connection })
  }

  /** What is held goes on, in order; then 1001 to both sides, and FIN. Bounded, whatever the peers do. */
  async endAll(inScope: (connection: WireConnection) => boolean): Promise<void> {
    const ending = [...this.#live].filter(inScope)
    if (ending.length === 0) return
    for (const connection of ending) {
      connection.releaseAll()
      if (connection.state === 'open') connection.close(1001, '')
      // Nobody is left to answer a handshake that is still under way.
      else if (connection.state === 'opening') connection.destroy()
    }
    const closed = Promise.all(ending.map(connection => connection.closed)).then(() => {})
    await farewell(closed)
    for (const connection of ending) if (connection.state !== 'closed') connection.destroy()
    await closed
  }
}
