import type { ControlAction, ControlFrame, ControlRule, Match } from '@midwire/proxy'
import { badInput, checkClose, checkFunction, checkMs } from './bad-input.ts'
import { ControlHoldHandle, ControlRuleHandle } from './control-rule-handle.ts'
import type { RuleDesk } from './rule-desk.ts'
import { RuleBuilder, ruleParts } from './rule-draft.ts'
import type { Draft } from './rule-draft.ts'

/** What a rule on control frames is about. */
export interface ControlSubject {
  readonly control: ControlFrame['kind']
  readonly match: Match<ControlFrame, ControlFrame>
}

/** The verbs that pings, pongs and close frames share (RFC 6455 §5.5). */
abstract class FrameRuleBuilder<Self, T> extends RuleBuilder<Self, T> {
  protected readonly subject: ControlSubject

  constructor(desk: RuleDesk, subject: ControlSubject, draft: Draft) {
    super(desk, draft)
    this.subject = subject
  }

  /** Calls `fn` for every match; never decides. What it throws fails the test. */
  observe(fn: (frame: ControlFrame) => void): ControlRuleHandle {
    checkFunction(fn, 'observe(fn)')
    return this.register({ kind: 'observe', fn })
  }

  /** The receiver never gets it. */
  drop(): ControlRuleHandle {
    return this.register({ kind: 'drop' })
  }

  /** Lets it go `ms` after it arrived. @throws MidwireError unless 0 or more */
  delay(ms: number): ControlRuleHandle {
    checkMs(ms, 'delay(ms)')
    return this.register({ kind: 'delay', ms })
  }

  /** Keeps it until the handle lets it go, the rule is disposed or the test ends. */
  hold(): ControlHoldHandle {
    return new ControlHoldHandle(this.desk, this.rule({ kind: 'hold' }), this.draft.until)
  }

  protected register(action: ControlAction): ControlRuleHandle {
    return new ControlRuleHandle(this.desk, this.rule(action), this.draft.until)
  }

  protected rule(action: ControlAction): ControlRule {
    const { from, ...rest } = ruleParts(this.draft)
    const origin = this.desk.declare(this.draft)
    return Object.freeze({ on: 'control', ...rest, ...origin, from, ...this.subject, action: Object.freeze(action) })
  }
}

/** A rule on pings or pongs, on its way to its verb. */
export class ControlRuleBuilder<T> extends FrameRuleBuilder<ControlRuleBuilder<T>, T> {
  protected override derive(draft: Draft): ControlRuleBuilder<T> {
    return new ControlRuleBuilder(this.desk, this.subject, draft)
  }
}

/** A rule on close frames, on its way to its verb. */
export class CloseRuleBuilder<T> extends FrameRuleBuilder<CloseRuleBuilder<T>, T> {
  protected override derive(draft: Draft): CloseRuleBuilder<T> {
    return new CloseRuleBuilder(this.desk, this.subject, draft)
  }

  /**
   * Sends another code and reason in their stead; without a code, an empty close frame, which the receiver reads as 1005.
   *
   * @throws MidwireError on a code that must not be sent, or a reason over 123 bytes
   */
  replace(code?: number, reason: string = ''): ControlRuleHandle {
    if (code === undefined && reason !== '') throw badInput('replace(code, reason): a reason needs a code (RFC 6455 §5.5.1)')
    if (code !== undefined) checkClose(code, reason, 'replace(code, reason)')
    return this.register({ kind: 'replace', code, reason })
  }
}
