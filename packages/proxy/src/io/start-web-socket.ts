import type { EngineContext } from '../engine-context.ts'
import type { Side } from '../side.ts'
import type { DeflateAgreement } from '../ws/handshake.ts'
import { Pump, type PumpOptions } from './pump.ts'
import type { WireConnection } from './wire-connection.ts'

export interface OpenedWebSocket {
  readonly legs: PumpOptions['legs']
  /** The subprotocol that upstream selected, or ''. */
  readonly protocol: string
  readonly agreement: DeflateAgreement
  /** Bytes that came in one segment with the request or with its answer. */
  readonly head: Readonly<Record<Side, Buffer>>
}

/** Its handshake has been agreed to (RFC 6455 §4, RFC 8441 §5): from here on frames pass. */
export function startWebSocket(
  engine: EngineContext,
  connection: WireConnection,
  { legs, protocol, agreement, head }: OpenedWebSocket,
): void {
  const { scope } = connection
  const pump = new Pump({
    session: engine.startSession(connection, protocol, agreement),
    legs,
    tap: engine.taps.open(connection),
    clock: engine.clock,
    decisionTimeout: engine.decisionTimeout,
    onFailure: (rule, error, message) => engine.fail({ scope: rule?.scope ?? scope, rule, error, message }),
    onOver: () => connection.markClosed(),
    onClosing: () => connection.markClosing(),
    inScope: turn => engine.runRules(scope, turn),
  })
  connection.open(pump, protocol)
  engine.sockets.opened(connection)
  pump.start(head)
}
