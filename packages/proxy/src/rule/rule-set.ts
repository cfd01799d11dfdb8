import type { Connection } from '../connection.ts'
import type { Scope } from '../scope.ts'
import type { Side } from '../side.ts'
import { firstToDecide } from './first-to-decide.ts'
import type { ConnectRule, ConnectTarget, ControlRule, HandshakeFacts, HandshakeRule, MessageRule, Rule } from './rule.ts'
import type { RequestAction, RequestRule } from './request-rule.ts'
import { RuleRun } from './rule-run.ts'

/** A rule whose match threw: its test must fail; the rule counts as not matching. */
export type RuleFailure<R extends Rule> = (run: RuleRun<R>, error: unknown) => void

type AnyRun = RuleRun<MessageRule> | RuleRun<ControlRule> | RuleRun<ConnectRule> | RuleRun<HandshakeRule> | RuleRun<RequestRule>

/** The live rules of all scopes. */
export class RuleSet {
  readonly #messages = new Set<RuleRun<MessageRule>>()
  readonly #controls = new Set<RuleRun<ControlRule>>()
  readonly #connects = new Set<RuleRun<ConnectRule>>()
  readonly #handshakes = new Set<RuleRun<HandshakeRule>>()
  readonly #requests = new Set<RuleRun<RequestRule>>()
  readonly #listeners = new Set<() => void>()
  #order = 0
  #version = 0

  /** Grows whenever the set of live rules changes. */
  get version(): number {
    return this.#version
  }

  /** True while no rule is live: no function of a test can be called. */
  get empty(): boolean {
    return this.#messages.size + this.#controls.size + this.#connects.size + this.#handshakes.size + this.#requests.size === 0
  }

  /** Every live rule, in the order of declaration. */
  get runs(): readonly RuleRun[] {
    const all: RuleRun[] = [...this.#all]
    return all.sort((a, b) => a.order - b.order)
  }

  add<R extends Rule>(rule: R): RuleRun<R>
  add(rule: Rule): AnyRun {
    switch (rule.on) {
      case 'message':
        return this.#start(rule, this.#messages)
      case 'control':
        return this.#start(rule, this.#controls)
      case 'connect':
        return this.#start(rule, this.#connects)
      case 'handshake':
        return this.#start(rule, this.#handshakes)
      case 'request':
        return this.#start(rule, this.#requests)
    }
  }

  /** Disposes the rules of `scope` and of everything inside it. */
  endScope(scope: Scope): void {
    for (const run of this.#all) if (scope.contains(run.rule.scope)) run.dispose()
    // Rules of the scopes around it apply to its connections no more.
    this.#changed()
  }

  /** Calls `listener` after each change; returns what stops that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** The rules that a message of `connection` sent by `from` meets, in the order of asking. Hold on to it while `version` stays. */
  messageRules(connection: Connection, from: Side): readonly RuleRun<MessageRule>[] {
    return inOrder(this.#messages, connection.scope).filter(
      ({ rule }) => (rule.from === undefined || rule.from === from) && (rule.connection === undefined || rule.connection === connection),
    )
  }

  /** The rules that a ping, pong or close frame of `connection` sent by `from` meets. Hold on to it while `version` stays. */
  controlRules(connection: Connection, from: Side): readonly RuleRun<ControlRule>[] {
    return inOrder(this.#controls, connection.scope).filter(
      ({ rule }) => (rule.from === undefined || rule.from === from) && (rule.connection === undefined || rule.connection === connection),
    )
  }

  /** The TCP-phase rules for traffic of `scope`, in the order of asking. */
  connectRules(scope: Scope): readonly RuleRun<ConnectRule>[] {
    return inOrder(this.#connects, scope)
  }

  /** The handshake rules for traffic of `scope`, in the order of asking. */
  handshakeRules(scope: Scope): readonly RuleRun<HandshakeRule>[] {
    return inOrder(this.#handshakes, scope)
  }

  /** The rules on HTTP requests for traffic of `scope`, in the order of asking. */
  requestRules(scope: Scope): readonly RuleRun<RequestRule>[] {
    if (this.#requests.size === 0) return none
    return inOrder(this.#requests, scope)
  }

  /** Asks the TCP-phase rules, counts matches and acts, and returns the rule that decides. */
  decideConnect(scope: Scope, target: ConnectTarget, onFailure: RuleFailure<ConnectRule>): RuleRun<ConnectRule> | undefined {
    return firstToDecide(this.connectRules(scope), target, onFailure)
  }

  /** Asks the handshake rules, counts matches and acts, and returns the rule that decides. */
  decideHandshake(scope: Scope, facts: HandshakeFacts, onFailure: RuleFailure<HandshakeRule>): RuleRun<HandshakeRule> | undefined {
    return firstToDecide(this.handshakeRules(scope), facts, onFailure)
  }

  /** True if a live rule could answer a client of `scope` for `host` without upstream: then the client is accepted first. */
  couldAnswer(scope: Scope, host: string): boolean {
    const mayMeet = ({ canAct, rule: { match } }: RuleRun<HandshakeRule> | RuleRun<RequestRule>): boolean =>
      canAct && (match.host === undefined || match.host === host)
    return (
      this.handshakeRules(scope).some(run => run.rule.action.kind !== 'hold' && run.rule.action.kind !== 'delay' && mayMeet(run)) ||
      this.requestRules(scope).some(run => answersAlone(run.rule.action) && mayMeet(run))
    )
  }

  get #all(): readonly AnyRun[] {
    return [...this.#messages, ...this.#controls, ...this.#connects, ...this.#handshakes, ...this.#requests]
  }

  #start<R extends Rule>(rule: R, runs: Set<RuleRun<R>>): RuleRun<R> {
    const run: RuleRun<R> = new RuleRun(rule, this.#order++, () => {
      runs.delete(run)
      this.#changed()
    })
    runs.add(run)
    this.#changed()
    return run
  }

  #changed(): void {
    this.#version++
    for (const listener of [...this.#listeners]) listener()
  }
}

const none: readonly never[] = []

/** True for what can come to its end without upstream. */
function answersAlone(action: RequestAction): boolean {
  return action.kind === 'respondWith' || action.kind === 'handle' || (action.kind === 'fault' && action.at === 'beforeRequest')
}

/** Deeper scopes first, a test's before those of the blocks around it; then the newest first. */
function inOrder<R extends Rule>(runs: Iterable<RuleRun<R>>, scope: Scope): RuleRun<R>[] {
  if (scope.ended) return []
  return [...runs]
    .filter(({ rule }) => !rule.scope.ended && rule.scope.isRelatedTo(scope))
    .sort((a, b) => b.rule.scope.depth - a.rule.scope.depth || b.order - a.order)
}
