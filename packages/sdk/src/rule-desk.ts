import type { Connection, HandshakeRule, Match, Message, Rule, RuleRun, Scope, SourceLine } from '@midwire/proxy'
import type { Draft } from './rule-draft.ts'
import type { HitOptions } from './wait-options.ts'

/** Where builders and handles register, wait and complain: the proxy they came from. */
export interface RuleDesk {
  /** The scope and place of a rule that is declared now. @throws MidwireError MIDWIRE_BAD_USE outside of a test or hook */
  declare(draft: Draft): RuleOrigin
  /** Makes it live; `until`: it is withdrawn at the first message that matches. */
  add<R extends Rule>(rule: R, until?: Match<unknown, Message>): RuleRun<R>
  /** A match on messages, of this client where the proxy is one client's. @throws MidwireError if it can never be true */
  messageMatch(input: unknown): Match<unknown, Message>
  /** Calls `fn` for every message that matches `match`, as long as `rule` lives and before `rule` is asked; nobody else sees it. */
  watchFor(rule: Rule, match: Match<unknown, Message>, fn: (message: Message) => void): void
  /** Makes `beside` live before `rule`, for as long as that lives; nobody else sees it. */
  addBeside(rule: Rule, beside: Rule): void
  /** Calls `fn` once the rule is withdrawn, or its scope has ended. */
  whenDisposed(rule: Rule, fn: () => void): void
  /** A line for the transcript of a test that fails. */
  note(scope: Scope, text: string): void
  /** Resolves with what `check` finds once the rule has acted `count` times. @throws MidwireError MIDWIRE_UNMET */
  waitForRule<T>(run: RuleRun, count: number, check: () => T | undefined, options: HitOptions | undefined): Promise<T>
  heldBy(rule: HandshakeRule): readonly Connection[]
  releaseHandshake(connection: Connection): void
  /** The test of the message must fail: a function of the rule failed after it had returned, or the rule forbids the message. */
  fail(rule: Rule, message: Message | undefined, reason: unknown): void
  /** The test must fail whose traffic the rule is shown now. */
  failHere(rule: Rule, reason: unknown): void
  failScope(scope: Scope, reason: unknown): void
}

export interface RuleOrigin {
  readonly scope: Scope
  readonly at: SourceLine
}
