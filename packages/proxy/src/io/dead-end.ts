import { isIP } from 'node:net'
import type { Inbound } from '../capture/inbound.ts'
import type { EngineContext } from '../engine-context.ts'
import { MidwireError } from '../errors.ts'
import { ruleLabel } from '../rule/rule-label.ts'
import type { ConnectAction, ConnectRule } from '../rule/rule.ts'
import type { Scope } from '../scope.ts'
import type { TlsAlert } from '../rule/tls-fault.ts'
import { alertRecord } from '../tls/alert.ts'
import { laterTurn } from './clock.ts'
import { notFound, refused, unreachable } from './connect-errors.ts'
import { Leg } from './leg.ts'
import { sniff } from './sniff.ts'

/** What lets a connect fail. */
export type FailingConnect = Extract<ConnectAction, { kind: 'refuse' | 'unreachable' | 'failDns' }>

/** What lets a connect fail, or a connection come to nothing. */
export type DeadEnd = Exclude<ConnectAction, { kind: 'presentCertificate' }>

/** Ends a connect as the rule says: it fails, or leads to a server that is of no use. */
export async function endConnect(engine: EngineContext, scope: Scope, inbound: Inbound, rule: ConnectRule, action: DeadEnd): Promise<void> {
  const { host, port } = inbound.destination
  switch (action.kind) {
    case 'refuse':
    case 'unreachable':
      return failConnect(inbound, action)
    case 'failDns':
      if (isIP(host) !== 0) cannotAct(engine, rule, `${host} is an address, which no client looks up`)
      return failConnect(inbound, action)
    case 'timeout':
      await laterTurn()
      inbound.beginAttempt()
      return engine.park(scope, inbound)
    case 'hangUp': {
      const client = await accepted(engine, scope, inbound)
      // A client is told of its connection first, unless the RST overtakes that in its kernel.
      await laterTurn()
      if (action.how === 'rst') return client?.reset()
      client?.stream.resume()
      return client?.end()
    }
    case 'hang': {
      const client = await accepted(engine, scope, inbound)
      // Bytes are taken, and an end is not answered.
      client?.stream.resume()
      return client && engine.parkLeg(scope, client)
    }
    case 'failTls': {
      const client = await accepted(engine, scope, inbound)
      const spoken = client && (await sniff(client.stream, undefined)).kind
      if (!client || client.closed) return
      if (spoken === 'tls') return sendAlert(client, action.alert)
      cannotAct(engine, rule, `the client speaks no TLS to ${host}:${port}`)
      return client.reset()
    }
  }
}

/** Lets a connect fail as Node's own would. */
export async function failConnect(inbound: Inbound, action: FailingConnect): Promise<void> {
  // A client that connects again at once must not find out in the same turn, or the loop would never get to anything else.
  await laterTurn()
  switch (action.kind) {
    case 'refuse':
      return inbound.failAttempts({ ...action, error: refused })
    case 'unreachable':
      return inbound.failAttempts({ ...action, error: (address, port) => unreachable(action.code, address, port) })
    case 'failDns':
      return inbound.failLookup(notFound(inbound.destination.host, action.code))
  }
}

async function accepted(engine: EngineContext, scope: Scope, inbound: Inbound): Promise<Leg | undefined> {
  await laterTurn()
  if (inbound.gone.aborted) return undefined
  const client = new Leg(await inbound.accept())
  engine.legs.add(inbound.scope ?? scope, client)
  return client
}

function sendAlert(client: Leg, alert: TlsAlert): void {
  client.stream.resume()
  client.stream.write(alertRecord(alert))
  client.end()
}

/** A rule that cannot do faithfully what it says fails its test. */
export function cannotAct(engine: EngineContext, rule: ConnectRule, why: string): void {
  const error = new MidwireError('MIDWIRE_RULE_FAILED', `${ruleLabel(rule)} cannot ${rule.action.kind}: ${why}`)
  engine.fail({ scope: rule.scope, rule, message: undefined, error })
}
