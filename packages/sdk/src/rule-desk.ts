import type { Connection, HandshakeRule, Message, Rule, RuleRun, Scope, SourceLine } from '@midwire/proxy'
import type { Draft } from './rule-draft.ts'
import type { HitOptions } from './wait-options.ts'

/** Where builders and handles register, wait and complain: the proxy they came from. */
export interface RuleDesk {
  /** The scope and place of a rule that is declared now. @throws MidwireError MIDWIRE_BAD_USE outside of a test or hook */
  declare(draft: Draft): RuleOrigin
  add<R extends Rule>(rule: R): RuleRun<R>
  /** Resolves with what `check` finds once the rule has acted `count` times. @throws MidwireError MIDWIRE_UNMET */
  waitForRule<T>(run: RuleRun, count: number, check: () => T | undefined, options: HitOptions | undefined): Promise<T>
  heldBy(rule: HandshakeRule): readonly Connection[]
  releaseHandshake(connection: Connection): void
  /** A function of the rule failed after it had returned. */
  fail(rule: Rule, message: Message, reason: unknown): void
}

export interface RuleOrigin {
  readonly scope: Scope
  readonly at: SourceLine
}
