import type { Connection, Exchange, ProxyEngine, TrafficEvent } from '@midwire/proxy'

/** A connection that nobody looks into. */
export type Tunnel = Extract<TrafficEvent, { kind: 'tunnel' }>['tunnel']

/** Something that shows or keeps what goes through a proxy. */
export interface TrafficView {
  event(event: TrafficEvent): void
  /** It has come to its end; where `endedAt` is missing, it is only nobody who waits for that any more. */
  exchangeOver(exchange: Exchange): void
  connectionOver(connection: Connection): void
  tunnelOver(tunnel: Tunnel): void
  /** Nothing more will come. */
  close(): void
}

export interface Following {
  /** Resolves once nothing is under way, after `grace` ms at the latest. */
  quiet(grace: number): Promise<void>
  /** Tells the rest, and closes the views. */
  stop(): void
}

/** Tells views what goes through a proxy, a moment after it happened: never while the traffic waits. */
export function followTraffic(engine: ProxyEngine, views: readonly TrafficView[]): Following {
  const exchanges = new Set<Exchange>()
  const connections = new Set<Connection>()
  const tunnels = new Set<Tunnel>()
  const isQuiet = (): boolean => exchanges.size + connections.size + tunnels.size === 0
  let after = -1
  let planned: NodeJS.Immediate | undefined
  let onQuiet: (() => void) | undefined

  const tell = (): void => {
    planned = undefined
    for (const event of engine.journal.read({ after })) {
      after = event.seq
      if (event.kind === 'request') exchanges.add(event.exchange)
      if (event.kind === 'handshake') connections.add(event.connection)
      if (event.kind === 'tunnel') tunnels.add(event.tunnel)
      for (const view of views) view.event(event)
    }
    for (const exchange of exchanges) if (exchange.endedAt !== undefined) endExchange(exchange)
    for (const connection of connections) if (connection.state === 'closed') endConnection(connection)
    for (const tunnel of tunnels) if (tunnel.endedAt !== undefined) endTunnel(tunnel)
    if (isQuiet()) onQuiet?.()
  }
  const endExchange = (exchange: Exchange): void => {
    exchanges.delete(exchange)
    for (const view of views) view.exchangeOver(exchange)
  }
  const endConnection = (connection: Connection): void => {
    connections.delete(connection)
    for (const view of views) view.connectionOver(connection)
  }
  const endTunnel = (tunnel: Tunnel): void => {
    tunnels.delete(tunnel)
    for (const view of views) view.tunnelOver(tunnel)
  }
  const unfollow = engine.journal.follow(() => (planned ??= setImmediate(tell)))

  return {
    async quiet(grace) {
      // What has just been sent has its turn first.
      await new Promise(resolve => setImmediate(resolve))
      tell()
      if (isQuiet()) return
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, grace)
      onQuiet = resolve
      await promise
      onQuiet = undefined
      clearTimeout(timer)
    },
    stop() {
      unfollow()
      clearImmediate(planned)
      tell()
      for (const exchange of exchanges) endExchange(exchange)
      for (const connection of connections) endConnection(connection)
      for (const tunnel of tunnels) endTunnel(tunnel)
      for (const view of views) view.close()
    },
  }
}
