import { describeValue, MidwireError } from '@midwire/proxy'
import type { Connection, Corruption, FollowUp, Match, Message, MessageAction, MessageRule, Verdict } from '@midwire/proxy'
import { badInput, checkChoice, checkCount, checkFunction, checkKeys, checkMs } from './bad-input.ts'
import type { MessageMatch, Patch } from './matching.ts'
import { mergePatch } from './merge-patch.ts'
import type { RuleDesk } from './rule-desk.ts'
import { RuleBuilder, ruleParts } from './rule-draft.ts'
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
export class MessageRuleBuilder<T> extends RuleBuilder<MessageRuleBuilder<T>, T> {
  readonly #match: Match<unknown, Message>

  constructor(desk: RuleDesk, match: Match<unknown, Message>, draft: Draft) {
    super(desk, draft)
    this.#match = match
  }

  protected override derive(draft: Draft): MessageRuleBuilder<T> {
    return new MessageRuleBuilder(this.desk, this.#match, draft)
  }

  /** Calls `fn` for every match; never decides. What it throws fails the test. */
  observe(fn: (value: T, message: Message<T>) => void | PromiseLike<void>): MessageRuleHandle<T> {
    checkFunction(fn, 'observe(fn)')
    const then: FollowUp[] = []
    const rule: MessageRule = this.#rule(
      {
        kind: 'observe',
        fn: (value, message) => {
          // What `expect(…)` returns is no promise, and no reason to fail either.
          const answer: unknown = fn(value as T, message as Message<T>)
          if (isPromise(answer)) answer.then(undefined, (reason: unknown) => this.desk.fail(rule, message, reason))
        },
      },
      then,
    )
    return new MessageRuleHandle<T>(this.desk, rule, then, this.draft.until)
  }

  /** The message passes, and then both legs end with FIN and no close frame: `observe(() => {}).thenTerminate()`. */
  thenTerminate(): MessageRuleHandle<T> {
    return this.observe(nothing).thenTerminate()
  }

  /**
   * The message passes, and then both legs are closed with a close frame (RFC 6455 §5.5.1): `observe(() => {}).thenClose(code, reason)`.
   *
   * @throws MidwireError on a code that must not be sent, or a reason over 123 bytes
   */
  thenClose(code?: number, reason?: string): MessageRuleHandle<T> {
    return this.observe(nothing).thenClose(code, reason)
  }

  /** The message passes, and `value` goes to the client with nothing in between: `observe(() => {}).thenSendToClient(value)`. */
  thenSendToClient(value: T): MessageRuleHandle<T> {
    return this.observe(nothing).thenSendToClient(value)
  }

  /** The message passes, and `value` goes to the server with nothing in between: `observe(() => {}).thenSendToServer(value)`. */
  thenSendToServer(value: T): MessageRuleHandle<T> {
    return this.observe(nothing).thenSendToServer(value)
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
    return new HoldHandle<T>(this.desk, this.#rule({ kind: 'hold', others: options?.others ?? 'wait' }, then), then, this.draft.until)
  }

  /**
   * Takes it out of the queue, and puts it at the tail once a matching message has been written to its receiver, in either direction on the
   * same connection. From then on, and for the matching messages themselves, the rule holds nothing on that connection.
   */
  holdUntil(match: MessageMatch<T>): HoldHandle<T> {
    if (match === undefined)
      throw badInput('holdUntil(match): expected a match for what is waited for, got undefined; hold() waits for release()')
    const awaited = this.desk.messageMatch(match)
    const met = new WeakSet<Connection>()
    const own: Match<unknown, Message> = {
      ...this.#match,
      test: (value, message) => !met.has(message.connection) && this.#match.test(value, message) && !awaited.test(value, message),
    }
    const then: FollowUp[] = []
    const rule = this.#rule({ kind: 'hold', others: 'pass' }, then, own)
    const handle = new HoldHandle<T>(this.desk, rule, then, this.draft.until)
    const letGo = (connection: Connection): void => {
      met.add(connection)
      for (const held of handle.held) if (held.connection === connection) handle.release(held)
    }
    this.desk.watchFor(rule, awaited, ({ whenDelivered, connection }) => {
      void whenDelivered.then(written => (written === undefined ? undefined : letGo(connection)))
    })
    return handle
  }

  /** Delivers it, and then once more, `times` times. @default 1 @throws MidwireError unless a positive integer */
  duplicate(times: number = 1): MessageRuleHandle<T> {
    checkCount(times, 'duplicate(times)')
    return this.#register({ kind: 'duplicate' }, Object.freeze({ kind: 'repeat', times }))
  }

  /** Answers in the receiver's stead: the receiver never gets the message, its sender gets the value. */
  reply(value: T | ((value: T, message: Message<T>) => T)): MessageRuleHandle<T> {
    if (value === undefined) throw badInput('reply(value): expected a value or a function, got undefined; drop() answers nothing')
    if (isFunction<T>(value)) return this.#register({ kind: 'reply', fn: (old, message) => value(old as T, message as Message<T>) })
    return this.#register({ kind: 'reply', fn: () => value })
  }

  /** Fails the test at the message, which still passes. Never decides. */
  forbid(reason?: string): MessageRuleHandle<T> {
    if (reason !== undefined && (typeof reason !== 'string' || reason === '')) throw badInput('forbid(reason): expected a text')
    const then: FollowUp[] = []
    const rule: MessageRule = this.#rule(
      {
        kind: 'observe',
        fn: (value, message) => this.desk.fail(rule, message, new MidwireError('MIDWIRE_FORBIDDEN', forbidden(value, message, reason))),
      },
      then,
    )
    return new MessageRuleHandle<T>(this.desk, rule, then, this.draft.until)
  }

  /**
   * Delivers it broken. 'payload': what the codec cannot decode · 'utf8': text that is not UTF-8 (RFC 6455 §8.1) · 'opcode': a reserved
   * opcode (§5.2) · 'rsv': RSV2 set (§5.2) · 'control': a ping of 126 bytes in its stead (§5.5) · 'truncate': half of the frame, then the
   * end of both legs.
   */
  corrupt(kind: Corruption): MessageRuleHandle<T> {
    if (kind === undefined) throw badInput(`corrupt(kind): expected one of ${corruptions.map(one => `'${one}'`).join(', ')}, got undefined`)
    checkChoice(kind, corruptions, 'corrupt(kind)')
    return this.#register({ kind: 'corrupt', how: kind })
  }

  /** Decides each message by code; nothing behind it in its direction moves before the answer. */
  handle(fn: (value: T, message: Message<T>) => HandleVerdict<T> | Promise<HandleVerdict<T>>): MessageRuleHandle<T> {
    checkFunction(fn, 'handle(fn)')
    return this.#register({
      kind: 'handle',
      fn: (value, message) => fn(value as T, message as Message<T>) as Verdict | undefined | Promise<Verdict | undefined>,
    })
  }

  #register(action: MessageAction, ...first: FollowUp[]): MessageRuleHandle<T> {
    const then = [...first]
    return new MessageRuleHandle<T>(this.desk, this.#rule(action, then), then, this.draft.until)
  }

  #rule(action: MessageAction, then: FollowUp[], match: Match<unknown, Message> = this.#match): MessageRule {
    const { from, ...rest } = ruleParts(this.draft)
    const origin = this.desk.declare(this.draft)
    return Object.freeze({
      on: 'message',
      ...rest,
      ...origin,
      from,
      match,
      action: Object.freeze(action),
      then,
    })
  }
}

function nothing(): void {}

const corruptions: readonly Corruption[] = ['payload', 'utf8', 'opcode', 'rsv', 'control', 'truncate']

function forbidden(value: unknown, { from }: Message, reason: string | undefined): string {
  return `forbidden ${from} message${reason === undefined ? '' : ` (${reason})`}: ${describeValue(value)}`
}

function isFunction<T>(value: unknown): value is (value: T, message: Message<T>) => T {
  return typeof value === 'function'
}

function isPromise(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
