import type { Connection, ControlFrame, Exchange, Journal, Message, ProxyEngine, Side, TrafficEvent } from '@midwire/proxy'
import { callerError, checkChoice, checkFunction } from './bad-input.ts'
import { afterTurn } from './after-turn.ts'
import { ClientView } from './client-view.ts'
import { ConnectRuleBuilder } from './connect-rule-builder.ts'
import { CloseRuleBuilder, ControlRuleBuilder } from './control-rule-builder.ts'
import type { ControlSubject } from './control-rule-builder.ts'
import { connectKeys, factsMatch, matchOf } from './match-input.ts'
import type {
  CloseFrameMatch,
  CloseMatch,
  ConnectMatch,
  ConnectPredicate,
  ControlPredicate,
  MessageMatch,
  PingMatch,
  RequestMatch,
  RequestPredicate,
  ResponseMatch,
} from './matching.ts'
import { MessageRuleBuilder } from './message-rule-builder.ts'
import { ruleDesk } from './proxy-desk.ts'
import type { ProxyDesk } from './proxy-desk.ts'
import type { RuleDesk } from './rule-desk.ts'
import type { Draft, Lineage } from './rule-draft.ts'
import { soughtClosing, soughtConnection, soughtEvent, soughtExchange, soughtMessage } from './sought.ts'
import type { Closing, Sought } from './sought.ts'
import { callSite } from './source-line.ts'
import type { AbsenceOptions, Mark, WaitOptions } from './wait-options.ts'
import { expectNone, seek } from './waits.ts'

/** Where the matchers of test runners find what a proxy knows; the same for every copy of this package. */
export const inside: unique symbol = Symbol.for('midwire.inside')

/** What matchers need of a proxy. */
export interface Inside {
  readonly desk: ProxyDesk
  /** Whose traffic counts; `undefined`: everybody's. */
  readonly client: ClientView | undefined
}

/** What test authors hold: declares rules, waits for traffic, and tells what was seen. Usable in tests and hooks. */
export class InterceptionProxy<T = Uint8Array> {
  readonly #desk: ProxyDesk
  readonly #rules: RuleDesk
  readonly #client: ClientView | undefined

  /** Made by `useInterceptionProxy()` or `startInterceptionProxy()`, and by `client()` for one client of several. */
  constructor(desk: ProxyDesk, client?: ClientView) {
    this.#desk = desk
    this.#rules = ruleDesk(desk, client)
    this.#client = client
  }

  /** For matchers. */
  get [inside](): Inside {
    return { desk: this.#desk, client: this.#client }
  }

  /**
   * The same, narrowed to one client of several: its rules act on connections, its waits see traffic, and its lists hold what belongs to
   * handshakes that match; of HTTP requests, those that say the same of themselves.
   *
   * @throws MidwireError MIDWIRE_BAD_INPUT on a match that tells no client from another
   */
  client(match: ConnectMatch | ConnectPredicate): InterceptionProxy<T> {
    return new InterceptionProxy<T>(this.#desk, new ClientView(match, this.#client))
  }

  // Rules

  /** A rule on TCP connects (`refuse`, `failDns`, `timeout`) or on WebSocket handshakes (all other verbs). */
  onConnect(match?: ConnectMatch | ConnectPredicate): ConnectRuleBuilder<T> {
    const draft = this.#draft('onConnect')
    factsMatch(match, connectKeys, 'onConnect(match)')
    draft.lineage.begin()
    return new ConnectRuleBuilder<T>(this.#rules, match, draft, this.#client)
  }

  /** A rule on what clients send. */
  onClientMessage(match?: MessageMatch<T>): MessageRuleBuilder<T> {
    return this.#onMessage('onClientMessage', 'client', match)
  }

  /** A rule on what servers send. */
  onServerMessage(match?: MessageMatch<T>): MessageRuleBuilder<T> {
    return this.#onMessage('onServerMessage', 'server', match)
  }

  /** A rule on messages of both directions. */
  onMessage(match?: MessageMatch<T>): MessageRuleBuilder<T> {
    return this.#onMessage('onMessage', undefined, match)
  }

  /** A rule on pings (RFC 6455 §5.5.2). */
  onPing(match?: PingMatch | ControlPredicate): ControlRuleBuilder<T> {
    const { draft, subject } = this.#onControl('onPing', 'ping', match)
    return new ControlRuleBuilder<T>(this.#rules, subject, draft)
  }

  /** A rule on pongs (RFC 6455 §5.5.3). */
  onPong(match?: PingMatch | ControlPredicate): ControlRuleBuilder<T> {
    const { draft, subject } = this.#onControl('onPong', 'pong', match)
    return new ControlRuleBuilder<T>(this.#rules, subject, draft)
  }

  /** A rule on close frames (RFC 6455 §5.5.1). */
  onClose(match?: CloseFrameMatch | ControlPredicate): CloseRuleBuilder<T> {
    const { draft, subject } = this.#onControl('onClose', 'close', match)
    return new CloseRuleBuilder<T>(this.#rules, subject, draft)
  }

  // Waits

  /** The first event for which the predicate is true. @throws MidwireError MIDWIRE_UNMET */
  waitFor(predicate: (event: TrafficEvent) => boolean, options?: WaitOptions): Promise<TrafficEvent> {
    return this.#seek(
      'waitFor',
      () => {
        checkFunction(predicate, 'waitFor(predicate)')
        return soughtEvent(predicate)
      },
      options,
    )
  }

  /** The first open connection that matches: its 101 has been written to the client. @throws MidwireError MIDWIRE_UNMET */
  waitForConnection(match?: ConnectMatch | ((connection: Connection) => boolean), options?: WaitOptions): Promise<Connection> {
    return this.#seek('waitForConnection', () => soughtConnection('connection', match, 'waitForConnection(match)'), options)
  }

  /** The first message from a client that matches, whatever rules decide about it. @throws MidwireError MIDWIRE_UNMET */
  waitForClientMessage<U extends T>(match: (value: T, message: Message<T>) => value is U, options?: WaitOptions): Promise<Message<U>>
  waitForClientMessage(match?: MessageMatch<T>, options?: WaitOptions): Promise<Message<T>>
  waitForClientMessage(match?: unknown, options?: WaitOptions): Promise<unknown> {
    return this.#seek('waitForClientMessage', () => soughtMessage('client', match), options)
  }

  /** The first message from a server that matches, whatever rules decide about it. @throws MidwireError MIDWIRE_UNMET */
  waitForServerMessage<U extends T>(match: (value: T, message: Message<T>) => value is U, options?: WaitOptions): Promise<Message<U>>
  waitForServerMessage(match?: MessageMatch<T>, options?: WaitOptions): Promise<Message<T>>
  waitForServerMessage(match?: unknown, options?: WaitOptions): Promise<unknown> {
    return this.#seek('waitForServerMessage', () => soughtMessage('server', match), options)
  }

  /** The first HTTP request that matches; its response may be still to come. @throws MidwireError MIDWIRE_UNMET */
  waitForRequest(match?: RequestMatch | RequestPredicate, options?: WaitOptions): Promise<Exchange> {
    return this.#seek('waitForRequest', () => soughtExchange('request', match, 'waitForRequest(match)'), options)
  }

  /** The first exchange that matches and has its response's head. @throws MidwireError MIDWIRE_UNMET */
  waitForResponse(match?: ResponseMatch | RequestPredicate, options?: WaitOptions): Promise<Exchange> {
    return this.#seek('waitForResponse', () => soughtExchange('response', match, 'waitForResponse(match)'), options)
  }

  /** The first closing that matches: a close frame, or an end without one, which counts as code 1006. @throws MidwireError MIDWIRE_UNMET */
  waitForClose(match?: CloseMatch | ((closing: Closing) => boolean), options?: WaitOptions): Promise<Closing> {
    return this.#seek('waitForClose', () => soughtClosing(match, 'waitForClose(match)'), options)
  }

  /** Nothing that matches has come from a client so far, or comes within the options' reach. @throws MidwireError MIDWIRE_UNEXPECTED */
  expectNoClientMessage(match?: MessageMatch<T>, options?: AbsenceOptions): Promise<void> {
    return this.#expectNone('expectNoClientMessage', () => soughtMessage('client', match), options)
  }

  /** Nothing that matches has come from a server so far, or comes within the options' reach. @throws MidwireError MIDWIRE_UNEXPECTED */
  expectNoServerMessage(match?: MessageMatch<T>, options?: AbsenceOptions): Promise<void> {
    return this.#expectNone('expectNoServerMessage', () => soughtMessage('server', match), options)
  }

  /** No handshake that matches has been asked for so far, or is within the options' reach. @throws MidwireError MIDWIRE_UNEXPECTED */
  expectNoConnection(match?: ConnectMatch | ((connection: Connection) => boolean), options?: AbsenceOptions): Promise<void> {
    return this.#expectNone('expectNoConnection', () => soughtConnection('handshake', match, 'expectNoConnection(match)'), options)
  }

  /** No HTTP request that matches has been sent so far, or is within the options' reach. @throws MidwireError MIDWIRE_UNEXPECTED */
  expectNoRequest(match?: RequestMatch | RequestPredicate, options?: AbsenceOptions): Promise<void> {
    return this.#expectNone('expectNoRequest', () => soughtExchange('request', match, 'expectNoRequest(match)'), options)
  }

  /** The present place in the order of everything that was seen, for `after` and `until`. */
  mark(): Mark {
    this.#desk.state()
    return Object.freeze({ seq: this.#desk.engine().journal.mark() })
  }

  // What was seen

  /** The only open connection. @throws MidwireError MIDWIRE_BAD_USE if there is none, or several, listing them */
  get connection(): Connection {
    const all = this.connections
    const [only, ...more] = all.filter(({ state }) => state === 'open')
    if (only && more.length === 0) return only
    const list = all.map(({ id, url, state }) => `\n  connection ${id}  ${url}  ${state}`).join('')
    const seen = only ? `${more.length + 1} connections are open` : 'no connection is open'
    throw callerError(
      'MIDWIRE_BAD_USE',
      `${this.#client ? `${this.#client.text}.` : 'proxy.'}connection: ${seen}; expected exactly one. Await proxy.waitForConnection(…) to say which.${list}`,
    )
  }

  /** The connections of this test and of the blocks around it, closed ones included, in the order of their handshakes. */
  get connections(): readonly Connection[] {
    const { scope } = this.#desk.state()
    const client = this.#client
    return this.#desk
      .engine()
      .connections.filter(connection => scope.isRelatedTo(connection.scope) && (client === undefined || client.covers(connection)))
  }

  /** The HTTP exchanges of this test, in order. */
  get requests(): readonly Exchange[] {
    const client = this.#client
    return [...this.#events()].flatMap(event =>
      event.kind === 'request' && (client === undefined || client.coversExchange(event.exchange)) ? [event.exchange] : [],
    )
  }

  /**
   * The hosts that clients of this test asked to connect to, in order, refused ones included.
   *
   * @throws MidwireError MIDWIRE_BAD_USE for one client of several: a TCP connect does not tell whose it is
   */
  get hosts(): readonly string[] {
    if (this.#client) {
      throw callerError(
        'MIDWIRE_BAD_USE',
        `${this.#client.text}.hosts: a TCP connect does not tell whose it is; use proxy.hosts, or the host of each of its connections`,
      )
    }
    return [...this.#events()].flatMap(event => (event.kind === 'tcp' ? [event.host] : []))
  }

  /** Everything that the proxy has seen. */
  get journal(): Journal {
    return this.#desk.engine().journal
  }

  /** What this test has seen and what its rules did, as in the text of a failure: for a look at the wire. */
  transcript(): string {
    return this.#desk.transcript(this.#desk.state().scope)
  }

  // Other ways in

  /** `http://127.0.0.1:port`: an HTTP proxy (absolute form, CONNECT) whose traffic belongs to this test. */
  get url(): string {
    const { scope } = this.#desk.state()
    return this.#desk.engine().proxyUrl(scope)
  }

  /** A loopback URL that stands for `url` and leads there; its traffic belongs to this test. @throws MidwireError on a URL that cannot be meant */
  urlFor(url: string | URL): string {
    const { scope } = this.#desk.state()
    return this.#desk.engine().urlFor(String(url), scope)
  }

  /** The CA certificate, in PEM, for clients outside this process. */
  get certificate(): string {
    return this.#desk.engine().certificate
  }

  /** Key and certificate for a host name, for TLS servers of tests. */
  issue(host: string): ReturnType<ProxyEngine['issue']> {
    return this.#desk.engine().issue(host)
  }

  #onMessage(start: string, from: Side | undefined, match: unknown): MessageRuleBuilder<T> {
    const draft = this.#draft(start, from)
    const built = matchOf<unknown, Message>(match)
    draft.lineage.begin()
    return new MessageRuleBuilder<T>(this.#rules, this.#client?.onConnections(built) ?? built, draft)
  }

  #onControl(start: string, control: ControlFrame['kind'], match: unknown): { draft: Draft; subject: ControlSubject } {
    const from = typeof match === 'object' && match !== null && 'from' in match ? match.from : undefined
    const draft = this.#draft(start, undefined)
    checkChoice(from, ['client', 'server'], `${start}({ from })`)
    const keys = control === 'close' ? ['from', 'code', 'reason'] : ['from']
    const own = factsMatch<ControlFrame>(match, keys, `${start}(match)`)
    draft.lineage.begin()
    return {
      draft: { ...draft, ...(from === 'client' || from === 'server' ? { from } : {}) },
      subject: { control, match: this.#client?.onConnections(own) ?? own },
    }
  }

  #seek<R extends object>(call: string, sought: () => Sought<R>, options: WaitOptions | undefined): Promise<R> {
    const client = this.#client
    if (!client) return seek(this.#desk, call, sought, options)
    return seek(this.#desk, `${client.text}.${call}`, () => client.narrow(sought()), options)
  }

  #expectNone(call: string, sought: () => Sought<object>, options: AbsenceOptions | undefined): Promise<void> {
    const client = this.#client
    if (!client) return expectNone(this.#desk, call, sought, options)
    return expectNone(this.#desk, `${client.text}.${call}`, () => client.narrow(sought()), options)
  }

  #draft(start: string, from?: Side): Draft & { readonly lineage: Lineage & { begin(): void } } {
    const state = this.#desk.state()
    const lineage = {
      start: this.#client ? `${this.#client.text}.${start}` : start,
      at: callSite().line,
      scope: state.scope,
      fresh: true,
      used: false,
      // Only what was well begun must be brought to an end.
      begin: () => {
        state.lineages.push(lineage)
        afterTurn(() => {
          lineage.fresh = false
        })
      },
    }
    return { lineage, optional: false, ...(from && { from }) }
  }

  *#events(): Generator<TrafficEvent> {
    const { scope, startedAfter } = this.#desk.state()
    yield* this.#desk.engine().journal.read({ after: startedAfter, scope })
  }
}
