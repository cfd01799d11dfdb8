import type { Closing, Connection, InterceptionProxy, NetworkHandle, Outage, RuleHandle, TrafficEvent } from '@midwire/sdk'
import type { Scope } from '@midwire/proxy'
import type { ControlDesk } from './control-desk.ts'
import { declareRule } from './declared-rule.ts'
import { HeldThings } from './held-things.ts'
import { rpcCode, RpcError } from './json-rpc.ts'
import type { Params } from './params.ts'
import { Questions } from './questions.ts'
import type { RpcPeer } from './rpc-peer.ts'
import { closingJson, connectionIDOf, connectionJson, eventJson, messageIDOf } from './wire-json.ts'

export interface SessionSettings {
  readonly id: string
  /** Messages that no rule decides are asked about. */
  readonly transform: boolean
  /** The process on Node whose connections it takes over. @default none: clients are told of the proxy */
  readonly pid?: number | undefined
  /** ms that an answer may take. */
  readonly decisionTimeout: number
}

/** One interception of one test suite: a scope of the proxy, and what the suite has declared and is told about it. */
export class Session {
  readonly id: string
  readonly scope: Scope
  readonly #desk: ControlDesk
  readonly #peer: RpcPeer
  readonly #questions: Questions
  readonly #rules = new Map<string, RuleHandle>()
  readonly #networks = new Map<string, NetworkHandle>()
  readonly #outages = new Set<Outage>()
  readonly #held: HeldThings
  /** Those that the suite was told of, with how they began to close. */
  readonly #open = new Map<Connection, object | undefined>()
  readonly #over = new AbortController()
  readonly #claim: Disposable | undefined
  readonly #undecided: string[] = []
  readonly #begin: number
  readonly #unfollow: () => void
  #reported: number
  #isReportDue = false
  #names = 0
  #phase: 'live' | 'retired' | 'over' = 'live'

  /** @throws MidwireError MIDWIRE_CAPTURE if the process cannot be taken over */
  constructor(desk: ControlDesk, peer: RpcPeer, { id, transform, pid, decisionTimeout }: SessionSettings) {
    this.id = id
    this.#desk = desk
    this.#peer = peer
    this.scope = desk.open(id)
    this.#claim = pid === undefined ? undefined : desk.engine.claimProcess(pid, this.scope)
    this.#begin = this.#reported = desk.engine.journal.mark()
    this.#held = new HeldThings((ruleID, held) => peer.notify('held', { ruleID, ...held }))
    this.#questions = new Questions({
      peer,
      timeout: decisionTimeout,
      onUndecided: (message, why) => {
        const text = `message ${messageIDOf(message)} passed undecided: ${why}`
        this.#undecided.push(text)
        this.note(text, message.connection)
      },
    })
    this.#unfollow = desk.engine.journal.follow(() => this.#reportSoon())
    if (transform)
      this.run(proxy =>
        proxy
          .onMessage()
          .named('transformInterceptedMessage')
          .optional()
          .handle((_value, message) => this.#ask(message)),
      )
  }

  run<R>(fn: (proxy: InterceptionProxy<unknown>) => R): R {
    return this.#desk.run(this.scope, fn)
  }

  note(text: string, connection?: Connection): void {
    const { engine } = this.#desk
    engine.journal.append({ kind: 'note', at: engine.now(), scope: this.scope, connection, text })
  }

  /** Closed ones included. */
  get connections(): readonly Connection[] {
    return this.#desk.engine.connections.filter(({ scope }) => scope === this.scope)
  }

  /** @throws RpcError if there is none */
  connection(id: string): Connection {
    const all = this.connections
    const found = all.find(connection => connectionIDOf(connection) === id)
    if (found) return found
    const known = all.map(one => `"${connectionIDOf(one)}" (${one.url}, ${one.state})`).join(', ')
    throw new RpcError(
      rpcCode.invalidParams,
      `there is no connection "${id}"; ${known === '' ? 'there was none so far' : `known are ${known}`}`,
    )
  }

  // Rules

  /** Makes a rule live, and returns its name. @throws RpcError or MidwireError */
  addRule(params: Params): string {
    const ruleID = `rule ${++this.#names}`
    const handle = this.#desk.declare(this.scope, proxy =>
      declareRule(params, {
        proxy,
        name: ruleID,
        ask: message => this.#ask(message),
        connection: id => this.connection(id),
        rule: id => this.rule(id),
      }),
    )
    this.#rules.set(ruleID, handle)
    this.#held.watch(ruleID, handle)
    return ruleID
  }

  /** @throws RpcError if there is none */
  rule(ruleID: string): RuleHandle {
    const handle = this.#rules.get(ruleID)
    if (handle) return handle
    throw new RpcError(rpcCode.invalidParams, `there is no rule "${ruleID}"; addRule and holdClose return the names of rules as "ruleID"`)
  }

  /** Withdraws it; what it holds goes on. */
  removeRule(ruleID: string): number {
    const handle = this.rule(ruleID)
    handle.dispose()
    this.#rules.delete(ruleID)
    this.#held.forget(ruleID)
    return handle.hits
  }

  // The network

  /** Makes the network what the conditions say, and returns the name of that. */
  changeNetwork(conditions: Parameters<InterceptionProxy['network']>[0]): string {
    const networkID = `network ${++this.#names}`
    this.#networks.set(
      networkID,
      this.run(proxy => proxy.network(conditions)),
    )
    return networkID
  }

  /** @throws RpcError if there is none */
  network(networkID: string): NetworkHandle {
    const handle = this.#networks.get(networkID)
    if (handle) return handle
    throw new RpcError(rpcCode.invalidParams, `there is no network "${networkID}"; network returns their names as "networkID"`)
  }

  goOffline(options: Parameters<InterceptionProxy['goOffline']>[0]): void {
    this.#outages.add(this.run(proxy => proxy.goOffline(options)))
  }

  goOnline(): void {
    this.run(proxy => proxy.goOnline())
    this.#outages.clear()
  }

  // What was seen

  /** What has happened after a place, or since the beginning. */
  events(after: number | undefined, limit: number): { events: object[]; last: number; more: boolean } {
    const events: object[] = []
    const start = Math.max(after ?? this.#begin, this.#begin)
    let last = start
    for (const event of this.#read(start)) {
      if (events.length === limit) return { events, last, more: true }
      events.push(eventJson(event))
      last = event.seq
    }
    return { events, last, more: false }
  }

  get mark(): number {
    return this.#desk.engine.journal.mark()
  }

  placeOf(found: object): number | undefined {
    return this.#desk.placeOf(found)
  }

  // The end

  /** Aborted at its end, with what calls are answered that are under way. */
  get over(): AbortSignal {
    return this.#over.signal
  }

  /** Ends it: what is held goes on, connections are closed, later ones are refused. What must fail a test, as texts. */
  async stop(): Promise<string[]> {
    this.#phase = 'over'
    this.#claim?.[Symbol.dispose]()
    this.#over.abort(new RpcError(rpcCode.refused, `${this.id} has been stopped meanwhile`))
    this.#questions.end()
    const failures = await this.#desk.finish(this.scope)
    this.#report()
    this.#unfollow()
    return [...failures, ...this.#undecided]
  }

  /**
   * Nobody is left to ask or to tell: everything passes, what is held goes on, and the network is as ever. It ends with the last of its
   * connections.
   */
  retire(): void {
    if (this.#phase !== 'live') return
    this.#phase = 'retired'
    this.#questions.end()
    this.note('the control connection was lost: from here on everything passes')
    for (const ruleID of [...this.#rules.keys()]) this.removeRule(ruleID)
    for (const handle of this.#networks.values()) handle.dispose()
    for (const outage of this.#outages) outage.goOnline()
    for (const connection of this.connections) if (connection.state !== 'closed') connection.thaw()
    this.#reportSoon()
  }

  #ask(message: Parameters<Questions['ask']>[0]): ReturnType<Questions['ask']> {
    // In a later turn, when what led here has been journalled: the suite hears of a connection before it is asked about its messages.
    return Promise.resolve().then(() => {
      if (this.#phase === 'live') this.#report()
      return this.#questions.ask(message)
    })
  }

  #reportSoon(): void {
    if (this.#isReportDue) return
    this.#isReportDue = true
    setImmediate(() => {
      this.#isReportDue = false
      this.#report()
      if (this.#phase === 'retired' && this.connections.every(({ state }) => state === 'closed')) void this.stop()
    })
  }

  /** Tells the suite what has happened since the last time. */
  #report(): void {
    for (const event of this.#read(this.#reported)) {
      this.#reported = event.seq
      if (event.kind === 'connection') {
        this.#open.set(event.connection, undefined)
        this.#peer.notify('connectionOpened', { ...connectionJson(event.connection), seq: event.seq })
      } else if (event.kind === 'refused') {
        const { connection, status, text, seq } = event
        this.#peer.notify('connectionRefused', { ...connectionJson(connection), ...(status !== undefined && { status }), text, seq })
      } else {
        const closing = closingOf(event)
        if (closing && this.#open.has(closing.connection) && !this.#open.get(closing.connection))
          this.#open.set(closing.connection, closingJson(closing))
      }
    }
    for (const [connection, closing] of this.#open) {
      if (connection.state !== 'closed') continue
      this.#open.delete(connection)
      this.#peer.notify('connectionClosed', closing ?? { connectionID: connectionIDOf(connection), code: 1006, reason: '' })
    }
    if (this.#phase === 'live') this.#held.report()
  }

  *#read(after: number): Generator<TrafficEvent> {
    for (const event of this.#desk.engine.journal.read({ after, scope: this.scope })) if (event.scope === this.scope) yield event
  }
}

/** How the event closes its connection. RFC 6455 §7.1.5: without a close frame the code is 1006. */
function closingOf(event: TrafficEvent): Omit<Closing, 'at' | 'seq'> | undefined {
  if (event.kind === 'close') return event
  if (event.kind !== 'end' && event.kind !== 'terminated') return undefined
  return { connection: event.connection, from: event.kind === 'end' ? event.from : undefined, code: 1006, reason: '' }
}
