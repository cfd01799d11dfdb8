import { isIPv6 } from 'node:net'
import type { Server } from 'node:net'
import { Credentials, userinfo } from './capture/credentials.ts'
import { listenFrontDoor } from './capture/front-door.ts'
import type { CaptureTarget, Destination, Inbound } from './capture/inbound.ts'
import { currentScope, realm } from './capture/realm.ts'
import { install, type Installation } from './capture/reroute.ts'
import { listenReverse } from './capture/reverse.ts'
import { parseUpstream, Routes } from './capture/route.ts'
import { listenTransparent } from './capture/transparent.ts'
import { Children, type EnvOptions } from './child/children.ts'
import type { Codec } from './codec.ts'
import type { Connection } from './connection.ts'
import type { EngineFailure, Leak, ProxyEngine, ProxyOptions, ProxyUrlOptions, UrlForOptions, TransparentOptions } from './engine.ts'
import type { EngineContext } from './engine-context.ts'
import { asError, messageOf, MidwireError } from './errors.ts'
import type { DeclaredStreams } from './http/declared-streams.ts'
import type { NetworkConditions, NetworkHandle, Outage, OutageOptions } from './fault/network-conditions.ts'
import { Exchanges } from './http/exchanges.ts'
import { HttpFront } from './http/front.ts'
import { HeldHandshakes } from './http/held-handshakes.ts'
import { ScriptedUpstream } from './http/scripted-upstream.ts'
import { authority as authorityOf } from './http/target.ts'
import { type Clock, startClock } from './io/clock.ts'
import { startTestClock } from './io/test-clock.ts'
import { Connections } from './io/connections.ts'
import { farewell } from './io/farewell.ts'
import { takeIn } from './io/intake.ts'
import type { Leg } from './io/leg.ts'
import { Network } from './io/network.ts'
import { OpenLegs } from './io/open-legs.ts'
import { Parked } from './io/parked.ts'
import { type Tap, type TapOptions, Taps } from './io/tap.ts'
import { Journal } from './journal/journal.ts'
import { type ResolvedOptions, resolveOptions } from './options.ts'
import { deriveSeed, seededRandom } from './random.ts'
import { RuleSet } from './rule/rule-set.ts'
import type { RequestRule } from './rule/request-rule.ts'
import type { HandshakeFacts, MessageRule } from './rule/rule.ts'
import type { RuleRun } from './rule/rule-run.ts'
import type { ConnectRule, HandshakeRule } from './rule/rule.ts'
import { Scope } from './scope.ts'
import { Session, type SessionOptions } from './session/session.ts'
import { MessageStreams } from './stream/message-streams.ts'
import { Authority } from './tls/authority.ts'
import type { DeflateAgreement } from './ws/handshake.ts'

/** ms that a handler may take where nobody says otherwise. */
const defaultDecisionTimeout = 5000

/**
 * Starts an engine: from then on this process's TCP connections go through it, unless `capture` is false.
 *
 * @throws MidwireError MIDWIRE_BAD_INPUT on options that cannot be meant; nothing is left behind then
 */
export async function startProxy(options: ProxyOptions = {}): Promise<ProxyEngine> {
  const engine = new Engine(options)
  if (options.listen) engine.proxyUrl()
  if (options.capture !== false) await engine.capture()
  return engine
}

class Engine implements ProxyEngine, EngineContext, CaptureTarget {
  readonly options: ResolvedOptions
  readonly clock: Clock
  readonly journal: Journal
  readonly rules: RuleSet = new RuleSet()
  readonly root: Scope = new Scope('file')
  readonly front: HttpFront = new HttpFront()
  readonly authority: Authority
  readonly credentials: Credentials = new Credentials()
  readonly routes: Routes
  readonly exchanges: Exchanges
  readonly streams: DeclaredStreams | undefined
  readonly legs: OpenLegs = new OpenLegs()
  readonly network: Network
  readonly decisionTimeout: (rule: MessageRule | RequestRule) => number
  readonly sockets: Connections
  readonly taps: Taps = new Taps({
    note: (connection, text) => this.note(connection, connection.scope, text),
    onFailure: ({ scope }, error) => this.fail({ scope, rule: undefined, message: undefined, error }),
  })
  readonly #handshakes: HeldHandshakes
  readonly #parked = new Parked()
  readonly #children = new Children(this, scope => this.proxyUrl(scope))
  readonly #listeners = new Map<string, { readonly port: number; readonly server: Server }>()
  readonly #onFailure: (failure: EngineFailure) => void
  readonly #onLeak: (leak: Leak) => void
  readonly #leaks = new WeakMap<Scope, Set<string>>()
  readonly #adopts: boolean
  #scripted: ScriptedUpstream | undefined
  #scopes: ReturnType<typeof realm>['scopes'] | undefined
  #installation: Installation | undefined
  #closing: Promise<void> | undefined
  #isSeedUsed = false

  constructor(options: ProxyOptions) {
    this.options = resolveOptions(options)
    this.clock = this.options.clock === 'test' ? startTestClock() : startClock()
    const { upstream, route, journalLimit } = this.options
    this.routes = new Routes(route, upstream === 'real' || upstream === 'none' ? undefined : parseUpstream('upstream', upstream))
    this.authority = authorityOfOptions(options.authority)
    this.journal = new Journal({ limit: journalLimit })
    this.#handshakes = new HeldHandshakes(() => this.journal.changed())
    this.exchanges = new Exchanges(this.clock, this.journal)
    this.streams = MessageStreams.declared(this, this.options.streams)
    this.sockets = new Connections(this.clock, this.journal)
    this.network = new Network({
      clock: this.clock,
      seedOf: key => deriveSeed(this.options.seed, 'network', key),
      onDraw: () => (this.#isSeedUsed = true),
      note: (connection, scope, text) => this.note(connection, scope, text),
      currentScope: () => this.currentScope(),
      mark: () => this.journal.mark(),
    })
    const { decisionTimeout = defaultDecisionTimeout, onFailure = warn, onLeak = () => {} } = options
    this.decisionTimeout = typeof decisionTimeout === 'number' ? () => decisionTimeout : decisionTimeout
    this.#onFailure = onFailure
    this.#onLeak = onLeak
    this.#adopts = options.adoptUnscoped === true
    this.rules.onChange(() => {
      for (const connection of this.sockets.live) connection.rulesChanged()
    })
  }

  async capture(): Promise<void> {
    this.#installation = await install({ authority: this.authority, target: this })
  }

  // What tests and the words above the engine use.

  get codec(): Codec<unknown> {
    return this.options.codec
  }

  get seed(): number {
    return this.options.seed
  }

  get isSeedUsed(): boolean {
    return this.#isSeedUsed
  }

  deriveSeed(...keys: readonly (string | number)[]): number {
    this.#isSeedUsed = true
    return deriveSeed(this.options.seed, ...keys)
  }

  get certificate(): string {
    return this.authority.certificate
  }

  get connections(): readonly Connection[] {
    return this.sockets.all
  }

  get url(): string {
    return this.proxyUrl(this.root)
  }

  proxyUrl(scope: Scope = this.root, options?: ProxyUrlOptions): string {
    return `http://${this.#frontDoor(scope, options)}`
  }

  socksUrl(scope: Scope = this.root, options?: ProxyUrlOptions): string {
    // The 'h': names are looked up here, where `route` knows them.
    return `socks5h://${this.#frontDoor(scope, options)}`
  }

  #frontDoor(scope: Scope, options: ProxyUrlOptions = {}): string {
    const { host, port } = this.options.listen
    const isOwnMachine = isLoopback(host)
    const { credentials = !isOwnMachine } = options
    if (!isOwnMachine && !credentials)
      throw new MidwireError('MIDWIRE_BAD_INPUT', `credentials: false — expected true, since listen.host ${host} lets other machines in`)
    const owner = credentials ? this.root : scope
    const { port: own } = this.#listen(`proxy ${this.#idOf(owner)}`, () =>
      listenFrontDoor(this, { scope: owner, needsCredentials: !isOwnMachine }, { host, port: owner === this.root ? port : 0 }),
    )
    return `${credentials ? userinfo(this.credentials.usernameOf(scope)) : ''}${reachable(host)}:${own}`
  }

  urlFor(url: string, scope: Scope = this.root, { port: wanted = 0 }: UrlForOptions = {}): string {
    const { host, port, secure } = parseUpstream('urlFor', url)
    const origin = `${secure ? 'https' : 'http'}://${authorityOf(host, port, secure)}`
    const { port: own } = this.#listen(`${origin} ${this.#idOf(scope)}`, () => listenReverse(this, origin, scope, wanted))
    const { protocol, pathname, search, hash } = new URL(url)
    return `${protocol.startsWith('ws') ? 'ws' : 'http'}://127.0.0.1:${own}${pathname}${search}${hash}`
  }

  env(scope: Scope = this.root, options?: EnvOptions): Record<string, string> {
    if (this.#closing) throw new MidwireError('MIDWIRE_BAD_USE', 'the proxy has been stopped')
    return this.#children.env(scope, options)
  }

  claimProcess(pid: number, scope: Scope): Disposable {
    return this.#children.claim(pid, scope)
  }

  transparentPort(scope: Scope = this.root, { port = 0 }: TransparentOptions = {}): number {
    const id = this.#idOf(scope)
    const { port: own } = this.#listen(`transparent ${id}`, () => listenTransparent(this, scope, { host: '127.0.0.1', port }))
    try {
      // Where a redirect of IPv6 leads.
      this.#listen(`transparent ::1 ${id}`, () => listenTransparent(this, scope, { host: '::1', port: own }))
    } catch {
      // Not every machine has IPv6.
    }
    return own
  }

  issue(host: string): { key: string; cert: string } {
    return this.authority.leaf(host)
  }

  now(): number {
    return this.clock.now()
  }

  changeNetwork(scope: Scope, conditions: NetworkConditions, key: string = scope.name): NetworkHandle {
    return this.network.add(scope, conditions, key)
  }

  goOffline(scope: Scope, options: OutageOptions = {}): Outage {
    return this.network.goOffline(scope, options)
  }

  tap(tap: Tap, options?: TapOptions): Disposable {
    return this.taps.add(tap, options)
  }

  openScope(name: string, parent: Scope = this.root): Scope {
    return new Scope(name, parent)
  }

  run<T>(scope: Scope, fn: () => T): T {
    return (this.#scopes ??= realm().scopes).run(scope, fn)
  }

  runRules(scope: Scope, turn: () => void): void {
    if (this.rules.empty) turn()
    else this.run(scope, turn)
  }

  currentScope(): Scope | undefined {
    const scope = currentScope()
    return scope && this.root.contains(scope) ? scope : undefined
  }

  heldBy(rule: HandshakeRule): readonly Connection[] {
    return this.#handshakes.heldBy(rule)
  }

  releaseHandshake(connection: Connection): void {
    this.#handshakes.release(connection)
  }

  async endScope(scope: Scope): Promise<void> {
    const inScope = (other: Scope): boolean => scope.contains(other)
    // Rules stay until what they hold has gone on, so that nothing that is released meets another fate than it was promised.
    const isSeedUsed = this.#isSeedUsed
    const flushed = this.network.endScope(inScope)
    if (flushed) await flushed
    const closed = this.sockets.endAll(connection => inScope(connection.scope))
    // The masking keys of farewells have mattered to nobody.
    this.#isSeedUsed = isSeedUsed
    scope.end()
    this.#parked.endAll(inScope)
    // Closed as WebSockets are, what streams have said is to be heard to its end.
    if (this.streams) await farewell(this.streams.finished(inScope))
    await this.exchanges.endAll(inScope)
    await closed
    this.rules.endScope(scope)
    for (const [key, { server }] of this.#listeners) {
      if (scope === this.root || !key.endsWith(` ${this.#idOf(scope)}`)) continue
      server.close()
      this.#listeners.delete(key)
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    await this.endScope(this.root)
    const freed = [...this.#listeners.values()].map(({ server }) => new Promise<void>(resolve => server.close(() => resolve())))
    this.#listeners.clear()
    this.#children.close()
    await this.legs.destroyAll()
    await Promise.all(freed)
    await this.#installation?.uninstall()
  }

  // What capture and connections use.

  get scripted(): ScriptedUpstream {
    return (this.#scripted ??= new ScriptedUpstream())
  }

  owns(scope: Scope): boolean {
    return this.root.contains(scope)
  }

  open(inbound: Inbound): void {
    takeIn(this, inbound).catch((error: unknown) => inbound.fail(asError(error)))
  }

  isOwn({ host, port }: Destination): boolean {
    if (host !== '127.0.0.1' && host !== 'localhost') return false
    for (const listener of this.#listeners.values()) if (listener.port === port) return true
    return false
  }

  scopeOf(scope: Scope | undefined): Scope | undefined {
    if (scope) return this.root.contains(scope) ? scope : undefined
    return this.#adopts ? this.root : undefined
  }

  tcpAttempt(scope: Scope | undefined, { host, port }: Destination): { outcome: string } {
    const attempt = { outcome: 'connecting' }
    if (scope) this.journal.append({ kind: 'tcp', at: this.now(), scope, host, port, outcome: () => attempt.outcome })
    return attempt
  }

  decideConnect(scope: Scope, destination: Destination): ConnectRule | undefined {
    return this.rules.decideConnect(scope, destination, this.#matchFailed)?.rule
  }

  decideHandshake(scope: Scope, facts: HandshakeFacts): HandshakeRule | undefined {
    return this.rules.decideHandshake(scope, facts, this.#matchFailed)?.rule
  }

  holdHandshake(rule: HandshakeRule, connection: Connection): Promise<void> {
    return this.#handshakes.hold(rule, connection)
  }

  mayAnswer(scope: Scope, { host }: Destination): boolean {
    return this.rules.couldAnswer(scope, host)
  }

  park(scope: Scope, inbound: Inbound): void {
    this.#parked.add(scope, inbound)
  }

  parkLeg(scope: Scope, leg: Leg): void {
    this.#parked.addLeg(scope, leg)
  }

  startSession(
    connection: Connection,
    protocol: string,
    agreement: DeflateAgreement,
    own: Partial<Pick<SessionOptions, 'codec' | 'random' | 'onRewrite'>> = {},
  ): Session {
    const { rules, journal, codec } = this
    const { holdLimit } = this.options
    const random = this.#maskingKeys(connection)
    return new Session({ connection, protocol, deflate: agreement, rules, journal, codec, random, holdLimit, ...own })
  }

  refused(connection: Connection, status: number | undefined, text: string): void {
    this.journal.append({ kind: 'refused', at: this.now(), scope: connection.scope, connection, status, text })
  }

  note(connection: Connection | undefined, scope: Scope | undefined, text: string): void {
    if (scope) this.journal.append({ kind: 'note', at: this.now(), scope, connection, text })
  }

  fail(failure: EngineFailure): void {
    this.#onFailure(failure)
  }

  leak(leak: Leak): void {
    // A client without back-off tries thousands of times: once for each line and host is enough.
    const seen = this.#leaks.get(leak.scope) ?? new Set()
    const key = `${leak.host}:${leak.port} ${leak.stack ?? ''}`
    if (seen.has(key)) return
    this.#leaks.set(leak.scope, seen.add(key))
    this.#onLeak(leak)
  }

  readonly #matchFailed = (run: RuleRun<ConnectRule> | RuleRun<HandshakeRule>, error: unknown): void => {
    const { rule } = run
    const text = `the match of ${rule.name ?? rule.start} threw: ${messageOf(error)}`
    this.fail({ scope: rule.scope, rule, message: undefined, error: new MidwireError('MIDWIRE_RULE_FAILED', text, { cause: error }) })
  }

  /** Of its own for each connection, so that messages of Midwire's own on one shift nothing on another. */
  #maskingKeys({ id }: Connection): () => number {
    const random = seededRandom(deriveSeed(this.options.seed, 'masking keys', id))
    return () => {
      this.#isSeedUsed = true
      return random()
    }
  }

  readonly #scopeIds = new Map<Scope, number>()

  #idOf(scope: Scope): number {
    const id = this.#scopeIds.get(scope) ?? this.#scopeIds.size
    this.#scopeIds.set(scope, id)
    return id
  }

  #listen(key: string, listen: () => { readonly port: number; readonly server: Server }): { readonly port: number } {
    if (this.#closing) throw new MidwireError('MIDWIRE_BAD_USE', 'the proxy has been stopped')
    const listener = this.#listeners.get(key) ?? listen()
    this.#listeners.set(key, listener)
    return listener
  }
}

function authorityOfOptions(own: ProxyOptions['authority']): Authority {
  if (!own) return Authority.create()
  return 'names' in own ? Authority.create(own.names) : Authority.from(own)
}

/** RFC 6890: 127.0.0.0/8 and ::1. */
function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1'
}

/** The host of URLs that lead to what is bound there. */
function reachable(host: string): string {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1'
  return isIPv6(host) ? `[${host}]` : host
}

function warn({ error }: EngineFailure): void {
  process.emitWarning(error)
}
