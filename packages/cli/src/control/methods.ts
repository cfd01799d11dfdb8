import type { Closing, Connection, Exchange, InterceptionProxy, Landmark, Message, RuleHandle, Side } from '@midwire/sdk'
import { MidwireError } from '@midwire/sdk'
import { heldBy, release } from './held-things.ts'
import { rpcCode, RpcError } from './json-rpc.ts'
import { fromJson } from './json-value.ts'
import { Params } from './params.ts'
import { ruleKeys } from './declared-rule.ts'
import { rawPayload } from './questions.ts'
import type { Session } from './session.ts'
import { closingJson, connectionJson, exchangeJson, messageJson } from './wire-json.ts'

/** A method that a session answers. */
export interface Method {
  /** Names of its parameters. */
  readonly params: readonly string[]
  run(session: Session, params: Params): unknown
}

const sides = ['client', 'server'] as const
const receivers = ['client', 'server', 'both'] as const

/** Everything that can be asked of a session, by name. */
export const methods: Readonly<Record<string, Method>> = {
  injectMessage: {
    params: ['connectionID', 'fromClient', 'to', 'type', 'data', 'at'],
    run(session, params) {
      const connection = session.connection(params.string('connectionID'))
      const { data } = payloadOf(params)
      const options = { at: params.optionalChoice('at', ['tail', 'now'] as const) ?? 'tail' }
      if (receiverOf(params) === 'server') connection.sendRawToServer(data, options)
      else connection.sendRawToClient(data, options)
      // Nothing follows it on the wire as yet: its place in the journal names it.
      return { id: `injected-${session.mark}` }
    },
  },
  sendMessage: {
    params: ['connectionID', 'to', 'value', 'at'],
    run(session, params) {
      const connection = session.connection(params.string('connectionID'))
      if (!params.has('value'))
        throw new RpcError(rpcCode.invalidParams, 'sendMessage: "value" is missing; injectMessage takes raw payloads')
      const options = { at: params.optionalChoice('at', ['tail', 'now'] as const) ?? 'tail' }
      const value = fromJson(params.raw('value'))
      if (params.choice('to', sides) === 'server') connection.sendToServer(value, options)
      else connection.sendToClient(value, options)
    },
  },
  closeConnection: {
    params: ['connectionID', 'code', 'reason', 'to'],
    run(session, params) {
      const to = params.optionalChoice('to', receivers) ?? 'both'
      const code = params.optionalInteger('code', 0)
      session.connection(params.string('connectionID')).close(code, params.optionalString('reason'), { to })
    },
  },
  terminate: onConnection((connection, _params) => connection.terminate()),
  reset: onConnection(connection => connection.reset()),
  freeze: onConnection((connection, from) => connection.freeze(from), ['from']),
  thaw: onConnection((connection, from) => connection.thaw(from), ['from']),
  flushed: {
    params: ['connectionID', 'to'],
    run: (session, params) =>
      session.connection(params.string('connectionID')).flushed({ to: params.optionalChoice('to', sides) ?? 'client' }),
  },
  connections: {
    params: [],
    run: session => ({ connections: session.connections.map(connectionJson) }),
  },
  urlFor: {
    params: ['url'],
    run: (session, params) => ({ url: session.run(proxy => proxy.urlFor(params.string('url'))) }),
  },
  addRule: {
    params: ruleKeys,
    run: (session, params) => ({ ruleID: session.addRule(params) }),
  },
  holdClose: {
    params: ['from', 'code', 'connectionID', 'once'],
    run(session, params) {
      const [from, code, on] = [
        params.optionalChoice('from', sides),
        params.optionalInteger('code', 0),
        params.optionalString('connectionID'),
      ]
      const modifiers = { ...(on !== undefined && { on }), ...(params.optionalBoolean('once') && { once: true }), optional: true }
      const match = { ...(from && { from }), ...(code !== undefined && { code }) }
      return { ruleID: session.addRule(new Params('holdClose', { start: 'onClose', match, modifiers, verb: 'hold' }, ruleKeys)) }
    },
  },
  release: {
    params: ['ruleID', 'count'],
    run(session, params) {
      const ruleID = params.string('ruleID')
      return { held: release(ruleID, session.rule(ruleID), params.optionalInteger('count', 1)) }
    },
  },
  removeRule: {
    params: ['ruleID'],
    run: (session, params) => ({ hits: session.removeRule(params.string('ruleID')) }),
  },
  ruleState: {
    params: ['ruleID'],
    run: (session, params) => stateOf(session.rule(params.string('ruleID'))),
  },
  waitForHit: {
    params: ['ruleID', 'count', 'timeout'],
    async run(session, params) {
      const [handle, count] = [session.rule(params.string('ruleID')), params.optionalInteger('count', 1) ?? 1]
      if (!canWait(handle)) throw new RpcError(rpcCode.internal, 'waitForHit: this rule cannot be waited for')
      await session.run(() => handle.waitForHit(count, { ...timeoutOf(params), signal: session.over }))
      return stateOf(handle)
    },
  },
  waitFor: {
    params: ['what', 'match', 'nth', 'after', 'timeout'],
    async run(session, params) {
      const wait = waits[params.choice('what', waitNames)]
      const match = params.has('match') ? fromJson(params.raw('match')) : undefined
      const after = params.optionalInteger('after', -1)
      const nth = params.optionalInteger('nth', 1)
      const options = {
        ...timeoutOf(params),
        signal: session.over,
        ...(nth !== undefined && { nth }),
        ...(after !== undefined && { after: { seq: after } }),
      }
      const { found, json } = await session.run(proxy => wait(proxy, match, options))
      const seq = session.placeOf(found)
      return { ...json, ...(seq !== undefined && { seq }) }
    },
  },
  expectNo: {
    params: ['what', 'match', 'after', 'until', 'for'],
    async run(session, params) {
      const expect = absences[params.choice('what', absenceNames)]
      const match = params.has('match') ? fromJson(params.raw('match')) : undefined
      const [after, until] = [params.optionalInteger('after', -1), params.optionalInteger('until', -1)]
      const [duration] = [params.optionalInteger('for', 0)]
      await session.run(proxy =>
        expect(proxy, match, {
          ...(after !== undefined && { after: { seq: after } }),
          ...(until !== undefined && { until: { seq: until } }),
          ...(duration !== undefined && { for: duration }),
        }),
      )
    },
  },
  mark: { params: [], run: session => ({ seq: session.mark }) },
  journal: {
    params: ['after', 'limit'],
    run: (session, params) => session.events(params.optionalInteger('after', -1), params.optionalInteger('limit', 1) ?? 1000),
  },
  transcript: { params: [], run: session => ({ text: session.run(proxy => proxy.transcript()) }) },
  network: {
    params: ['conditions', 'networkID'],
    run(session, params) {
      const conditions = fromJson(params.optionalTable('conditions') ?? {}) as Parameters<InterceptionProxy['network']>[0]
      const networkID = params.optionalString('networkID')
      if (networkID === undefined) return { networkID: session.changeNetwork(onItsConnection(session, conditions)) }
      session.network(networkID).change(conditions)
      return { networkID }
    },
  },
  restoreNetwork: {
    params: ['networkID'],
    run: (session, params) => session.network(params.string('networkID')).dispose(),
  },
  goOffline: {
    params: ['hosts', 'error', 'end'],
    run(session, params) {
      const hosts = params.has('hosts') ? { hosts: fromJson(params.raw('hosts')) } : {}
      const how = {
        ...(params.has('error') && { error: params.raw('error') }),
        ...(params.has('end') && { end: params.raw('end') }),
      }
      session.goOffline({ ...hosts, ...how } as Parameters<InterceptionProxy['goOffline']>[0])
    },
  },
  goOnline: { params: [], run: session => session.goOnline() },
}

interface Found {
  readonly found: object
  readonly json: object
}
type Wait = (proxy: InterceptionProxy<unknown>, match: unknown, options: object) => Promise<Found>

const waitNames = ['clientMessage', 'serverMessage', 'connection', 'request', 'response', 'close'] as const
const waits: Readonly<Record<(typeof waitNames)[number], Wait>> = {
  clientMessage: waiting((proxy, match, options) => proxy.waitForClientMessage(match as object, options), messageFound),
  serverMessage: waiting((proxy, match, options) => proxy.waitForServerMessage(match as object, options), messageFound),
  connection: waiting(
    (proxy, match, options) => proxy.waitForConnection(match as object, options),
    (connection: Connection) => ({ connection: connectionJson(connection) }),
  ),
  request: waiting((proxy, match, options) => proxy.waitForRequest(match as object, options), exchangeFound),
  response: waiting((proxy, match, options) => proxy.waitForResponse(match as object, options), exchangeFound),
  close: waiting(
    (proxy, match, options) => proxy.waitForClose(match as object, options),
    (closing: Closing) => ({ close: closingJson(closing) }),
  ),
}

const absenceNames = ['clientMessage', 'serverMessage', 'connection', 'request'] as const
const absences: Readonly<
  Record<(typeof absenceNames)[number], (proxy: InterceptionProxy<unknown>, match: unknown, options: object) => Promise<void>>
> = {
  clientMessage: (proxy, match, options) => proxy.expectNoClientMessage(match as object, options),
  serverMessage: (proxy, match, options) => proxy.expectNoServerMessage(match as object, options),
  connection: (proxy, match, options) => proxy.expectNoConnection(match as object, options),
  request: (proxy, match, options) => proxy.expectNoRequest(match as object, options),
}

function waiting<F extends object>(
  wait: (proxy: InterceptionProxy<unknown>, match: unknown, options: { readonly after?: Landmark }) => Promise<F>,
  json: (found: F) => object,
): Wait {
  return async (proxy, match, options) => {
    const found = await wait(proxy, match, options)
    return { found, json: json(found) }
  }
}

function messageFound(message: Message): object {
  return { message: messageJson(message) }
}

function exchangeFound(exchange: Exchange): object {
  return { exchange: exchangeJson(exchange) }
}

function onConnection(act: (connection: Connection, from: { from?: Side }) => void, more: readonly string[] = []): Method {
  return {
    params: ['connectionID', ...more],
    run(session, params) {
      const from = params.optionalChoice('from', sides)
      act(session.connection(params.string('connectionID')), from ? { from } : {})
    },
  }
}

/** `fromClient` is the older word: as if the client had sent it. */
function receiverOf(params: Params): Side {
  const to = params.optionalChoice('to', sides)
  const fromClient = params.optionalBoolean('fromClient')
  if ((to === undefined) === (fromClient === undefined))
    throw new RpcError(
      rpcCode.invalidParams,
      'injectMessage: give either "fromClient" (true: to the server) or "to" ("client" or "server")',
    )
  return to ?? (fromClient ? 'server' : 'client')
}

function payloadOf(params: Params): { readonly data: string | Uint8Array } {
  return rawPayload(params.choice('type', ['text', 'binary'] as const), params.string('data'))
}

function timeoutOf(params: Params): { readonly timeout?: number } {
  const timeout = params.optionalInteger('timeout', 0)
  return timeout === undefined ? {} : { timeout }
}

function stateOf(handle: RuleHandle): { readonly hits: number; readonly held: number } {
  return { hits: handle.hits, held: heldBy(handle) }
}

function canWait(handle: RuleHandle): handle is RuleHandle & { waitForHit(count: number, options: object): Promise<unknown> } {
  return 'waitForHit' in handle
}

function onItsConnection<C extends { readonly connection?: unknown }>(session: Session, conditions: C): C {
  const { connection } = conditions
  if (connection === undefined) return conditions
  if (typeof connection !== 'string')
    throw new MidwireError('MIDWIRE_BAD_INPUT', 'network { connection }: expected the connectionID of a connection')
  return { ...conditions, connection: session.connection(connection) }
}
