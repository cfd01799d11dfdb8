import type { Destination, Inbound } from './capture/inbound.ts'
import type { Credentials } from './capture/credentials.ts'
import type { Routes } from './capture/route.ts'
import type { Codec } from './codec.ts'
import type { Connection } from './connection.ts'
import type { EngineFailure, Leak } from './engine.ts'
import type { DeclaredStreams } from './http/declared-streams.ts'
import type { Exchanges } from './http/exchanges.ts'
import type { HttpFront } from './http/front.ts'
import type { ScriptedUpstream } from './http/scripted-upstream.ts'
import type { Clock } from './io/clock.ts'
import type { Connections } from './io/connections.ts'
import type { Leg } from './io/leg.ts'
import type { Network } from './io/network.ts'
import type { OpenLegs } from './io/open-legs.ts'
import type { Taps } from './io/tap.ts'
import type { Journal } from './journal/journal.ts'
import type { ResolvedOptions } from './options.ts'
import type { RequestRule } from './rule/request-rule.ts'
import type { ConnectRule, HandshakeFacts, HandshakeRule, MessageRule } from './rule/rule.ts'
import type { RuleSet } from './rule/rule-set.ts'
import type { Scope } from './scope.ts'
import type { Session, SessionOptions } from './session/session.ts'
import type { Authority } from './tls/authority.ts'
import type { DeflateAgreement } from './ws/handshake.ts'

/** What one connection needs of the proxy that it goes through. */
export interface EngineContext {
  readonly options: ResolvedOptions
  readonly clock: Clock
  readonly journal: Journal
  readonly routes: Routes
  readonly authority: Authority
  /** What clients outside this process name their scope by. */
  readonly credentials: Credentials
  readonly front: HttpFront
  readonly sockets: Connections
  readonly exchanges: Exchanges
  readonly rules: RuleSet
  /** Which exchanges carry messages; `undefined`: none do. */
  readonly streams: DeclaredStreams | undefined
  readonly codec: Codec<unknown>
  readonly scripted: ScriptedUpstream
  readonly legs: OpenLegs
  readonly network: Network
  readonly taps: Taps
  /** ms that the handler of a rule may take. */
  readonly decisionTimeout: (rule: MessageRule | RequestRule) => number
  /** Scope of captured traffic: its own, or the root where traffic outside any scope is adopted. */
  scopeOf(scope: Scope | undefined): Scope | undefined
  run<T>(scope: Scope, fn: () => T): T
  /** As `run`, where functions of a test can be called at all. */
  runRules(scope: Scope, turn: () => void): void
  /** Journals that a client asked for a TCP connection; its outcome is filled in later. */
  tcpAttempt(scope: Scope | undefined, destination: Destination): { outcome: string }
  decideConnect(scope: Scope, destination: Destination): ConnectRule | undefined
  decideHandshake(scope: Scope, facts: HandshakeFacts): HandshakeRule | undefined
  /** Resolves when the rule lets the handshake go on, or its scope has ended. */
  holdHandshake(rule: HandshakeRule, connection: Connection): Promise<void>
  releaseHandshake(connection: Connection): void
  /** True for a port that the engine itself listens on. */
  isOwn(destination: Destination): boolean
  /** True if a live rule could answer for this destination, so that upstream must not be dialled first. */
  mayAnswer(scope: Scope, destination: Destination): boolean
  /** Keeps a connect that is never to succeed until its client gives up or its scope ends. */
  park(scope: Scope, inbound: Inbound): void
  /** The same for a connection that was accepted and is never answered. */
  parkLeg(scope: Scope, leg: Leg): void
  startSession(
    connection: Connection,
    protocol: string,
    agreement: DeflateAgreement,
    own?: Partial<Pick<SessionOptions, 'codec' | 'random' | 'onRewrite'>>,
  ): Session
  /** Journals that a handshake was answered otherwise than with a 101, or not at all. */
  refused(connection: Connection, status: number | undefined, text: string): void
  note(connection: Connection | undefined, scope: Scope | undefined, text: string): void
  fail(failure: EngineFailure): void
  leak(leak: Leak): void
}
