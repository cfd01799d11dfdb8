import type { EngineContext } from '../engine-context.ts'
import type { Inbound } from '../capture/inbound.ts'
import type { TunnelRecord } from '../journal/tunnel-record.ts'
import type { Side } from '../side.ts'
import type { Leg } from './leg.ts'

/**
 * Relays bytes that nobody interprets, both ways: FIN as FIN with half-close, RST as RST, back-pressure passed on. Bytes that
 * either stream has buffered go first.
 */
export function tunnel(client: Leg, server: Leg): void {
  relay(client, server)
  relay(server, client)
}

/** The same for a whole connection of a client, whose bytes are counted in the journal. */
export function journalledTunnel(engine: EngineContext, inbound: Inbound, client: Leg, server: Leg): void {
  const { clock, journal } = engine
  const bytesFrom: Record<Side, number> = { client: 0, server: 0 }
  const scope = engine.scopeOf(inbound.scope)
  if (scope) {
    const { host, port } = inbound.destination
    const record: TunnelRecord = { host, port, at: clock.now(), bytesFrom, endedAt: undefined }
    let open = 2
    for (const [from, leg] of [
      ['client', client],
      ['server', server],
    ] as const) {
      leg.stream.on('data', (chunk: Buffer) => (bytesFrom[from] += chunk.length))
      leg.stream.once('close', () => {
        open--
        if (open > 0) return
        record.endedAt = clock.now()
        journal.changed()
      })
    }
    journal.append({ kind: 'tunnel', at: record.at, scope, tunnel: record })
  }
  tunnel(client, server)
}

function relay(from: Leg, to: Leg): void {
  from.stream.pipe(to.stream)
  from.stream.once('close', () => {
    // A stream that was destroyed before its 'end' is never ended by pipe().
    if (from.wasReset || !from.stream.readableEnded) to.endLike(from)
  })
}
