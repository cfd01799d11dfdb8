import type { FollowUp, Match, Message, MessageAction, MessageRule, Verdict } from '@midwire/proxy'
import { badInput, checkChoice, checkFunction, checkKeys, checkMs } from './bad-input.ts'
import type { Patch } from './matching.ts'
import { mergePatch } from './merge-patch.ts'
import type { RuleDesk } from './rule-desk.ts'
import { RuleBuilder } from './rule-draft.ts'
import type { Draft } from './rule-draft.ts'
import { HoldHandle, MessageRuleHandle } from './rule-handle.ts'

/** What `handle` may decide for one message; nothing passes it. */
export type HandleVerdict<T> =
  | Exclude<Verdict, { readonly kind: 'replace' }>
  | { readonly kind: 'replace'; readonly value: T }
  | undefined
  | void

export interface HoldOptions {
  /**
   * 'wait' keeps what is behind in its place; 'pass' takes the message out of the queue, and its release puts it at the tail.
   *
   * @default 'wait'
   */
  readonly others?: 'wait' | 'pass'
}

/** A rule on messages, on its way to its verb. */
export class MessageRuleBuilder<T> extends RuleBuilder<MessageRuleBuilder<T>> {
  readonly #desk: RuleDesk
  readonly #match: Match<unknown, Message>

  constructor(desk: RuleDesk, match: Match<unknown, Message>, draft: Draft) {
    super(draft)
    this.#desk = desk
    this.#match = match
  }

  protected override derive(draft: Draft): MessageRuleBuilder<T> {
    return new MessageRuleBuilder(this.#desk, this.#match, draft)
  }

  /** Calls `fn` for every match; never decides. What it throws fails the test. */
  observe(fn: (value: T, message: Message<T>) => void | PromiseLike<void>): MessageRuleHandle<T> {
    checkFunction(fn, 'observe(fn)')
    const then: FollowUp[] = []
    const rule: MessageRule = this.#rule(
      {
        kind: 'observe',
        fn: (value, message) => {
          fn(value as T, message as Message<T>)?.then(undefined, (reason: unknown) => this.#desk.fail(rule, message, reason))
        },
      },
      then,
    )
    return new MessageRuleHandle<T>(this.#desk, rule, then)
  }

  /** The receiver never gets it. */
  drop(): MessageRuleHandle<T> {
    return this.#register({ kind: 'drop' })
  }

  /**
   * Changes it: a function gets a value of its own to change, or returns another; a partial value is merged, objects deeply, all else as
   * a whole.
   */
  patch(change: Patch<T> | ((value: T, message: Message<T>) => T | void)): MessageRuleHandle<T> {
    if (change === undefined || change === null)
      throw badInput(`patch(change): expected a function or a partial value, got ${String(change)}`)
    if (isFunction<T>(change)) return this.#register({ kind: 'patch', fn: (value, message) => change(value as T, message as Message<T>) })
    return this.#register({ kind: 'patch', fn: value => mergePatch(value, change) })
  }

  /** Sends another value in its stead, of the same type (text or binary). */
  replace(value: T | ((value: T, message: Message<T>) => T)): MessageRuleHandle<T> {
    if (value === undefined) throw badInput('replace(value): expected a value or a function, got undefined; drop() sends nothing')
    if (isFunction<T>(value)) return this.#register({ kind: 'replace', fn: (old, message) => value(old as T, message as Message<T>) })
    return this.#register({ kind: 'replace', fn: () => value })
  }

  /** Lets it go `ms` after it arrived, and never before what stands in front of it. @throws MidwireError unless 0 or more */
  delay(ms: number): MessageRuleHandle<T> {
    checkMs(ms, 'delay(ms)')
    return this.#register({ kind: 'delay', ms })
  }

  /** Keeps it until the handle lets it go, the rule is disposed or the test ends. */
  hold(options?: HoldOptions): HoldHandle<T> {
    checkKeys(options, ['others'], 'hold(options)')
    checkChoice(options?.others, ['wait', 'pass'], 'hold({ others })')
    const then: FollowUp[] = []
    return new HoldHandle<T>(this.#desk, this.#rule({ kind: 'hold', others: options?.others ?? 'wait' }, then), then)
  }

  /** Decides each message by code; nothing behind it in its direction moves before the answer. */
  handle(fn: (value: T, message: Message<T>) => HandleVerdict<T> | Promise<HandleVerdict<T>>): MessageRuleHandle<T> {
    checkFunction(fn, 'handle(fn)')
    return this.#register({
      kind: 'handle',
      fn: (value, message) => fn(value as T, message as Message<T>) as Verdict | undefined | Promise<Verdict | undefined>,
    })
  }

  #register(action: MessageAction): MessageRuleHandle<T> {
    const then: FollowUp[] = []
    return new MessageRuleHandle<T>(this.#desk, this.#rule(action, then), then)
  }

  #rule(action: MessageAction, then: FollowUp[]): MessageRule {
    const { lineage, from, ...rest } = this.draft
    const origin = this.#desk.declare(this.draft)
    return Object.freeze({
      on: 'message',
      ...rest,
      ...origin,
      start: lineage.start,
      from,
      match: this.#match,
      action: Object.freeze(action),
      then,
    })
  }
}

function isFunction<T>(value: unknown): value is (value: T, message: Message<T>) => T {
  return typeof value === 'function'
}
