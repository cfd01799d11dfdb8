import type { FollowUp, Match, Message, MessageRule, Rule, RuleRun } from '@midwire/proxy'
import { badInput, callerError, checkClose, checkCount } from './bad-input.ts'
import type { RuleDesk } from './rule-desk.ts'
import { afterTurn } from './after-turn.ts'
import { letGo } from './let-go.ts'
import type { HitOptions } from './wait-options.ts'

/** A live rule. It lives until its scope ends or it is disposed. */
export class RuleHandle<R extends Rule = Rule> implements Disposable {
  protected readonly desk: RuleDesk
  protected readonly run: RuleRun<R>

  constructor(desk: RuleDesk, rule: R, until?: Match<unknown, Message>) {
    this.desk = desk
    this.run = desk.add(rule, until)
  }

  /** How often it has acted. */
  get hits(): number {
    return this.run.acted
  }

  /** Withdraws the rule; what it holds goes on. */
  dispose(): void {
    this.run.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }
}

/** A live rule on connections or handshakes. */
export class ConnectRuleHandle extends RuleHandle {
  /** Resolves once the rule has acted `count` times. @default 1 @throws MidwireError MIDWIRE_UNMET */
  async waitForHit(count: number = 1, options?: HitOptions): Promise<void> {
    checkCount(count, 'waitForHit(count)')
    await this.desk.waitForRule(this.run, count, () => this.hits >= count || undefined, options)
  }
}

/** A live rule on messages. */
export class MessageRuleHandle<T> extends RuleHandle<MessageRule> {
  readonly #then: FollowUp[]
  #sealed = false

  /** `then` is the list inside of `rule`: follow-ups join it until the turn ends, before anything can be read from a socket. */
  constructor(desk: RuleDesk, rule: MessageRule, then: FollowUp[], until?: Match<unknown, Message>) {
    super(desk, rule, until)
    this.#then = then
    afterTurn(() => {
      this.#sealed = true
      Object.freeze(then)
    })
  }

  /** The messages it has acted on, oldest first. */
  get messages(): readonly Message<T>[] {
    return this.run.messages as readonly Message<T>[]
  }

  /** Resolves with the message of the `count`-th hit. @default 1 @throws MidwireError MIDWIRE_UNMET */
  async waitForHit(count: number = 1, options?: HitOptions): Promise<Message<T>> {
    checkCount(count, 'waitForHit(count)')
    return await this.desk.waitForRule(this.run, count, () => this.messages[count - 1], options)
  }

  /** Then ends both legs with FIN and no close frame, once what was written before is flushed. */
  thenTerminate(): this {
    return this.#follow('thenTerminate()', { kind: 'terminate' })
  }

  /**
   * Then closes both legs with a close frame (RFC 6455 §5.5.1), once what was written before is flushed.
   *
   * @throws MidwireError on a code that must not be sent, or a reason over 123 bytes
   */
  thenClose(code: number = 1000, reason: string = ''): this {
    checkClose(code, reason, 'thenClose(code, reason)')
    return this.#follow('thenClose()', { kind: 'close', code, reason })
  }

  /** Then sends `value` to the client, with nothing in between. */
  thenSendToClient(value: T): this {
    return this.#follow('thenSendToClient()', { kind: 'send', to: 'client', value })
  }

  /** Then sends `value` to the server, with nothing in between. */
  thenSendToServer(value: T): this {
    return this.#follow('thenSendToServer()', { kind: 'send', to: 'server', value })
  }

  #follow(what: string, followUp: FollowUp): this {
    if (this.#sealed) {
      throw callerError('MIDWIRE_BAD_USE', `${what} must follow its verb at once: the rule is already live, and may have acted without it`)
    }
    if (followUp.kind === 'send' && followUp.value === undefined) throw badInput(`${what}: expected a value to send, got undefined`)
    const last = this.#then.at(-1)
    if (last?.kind === 'terminate' || last?.kind === 'close') {
      throw badInput(`${what} cannot follow ${last.kind === 'close' ? 'thenClose()' : 'thenTerminate()'}: the connection is over by then`)
    }
    this.#then.push(Object.freeze(followUp))
    return this
  }
}

/** A live rule that holds messages. */
export class HoldHandle<T> extends MessageRuleHandle<T> {
  #taken = 0

  /** What it holds now, oldest first. */
  get held(): readonly Message<T>[] {
    return this.run.held as readonly Message<T>[]
  }

  /** The next message that it holds: the first at the first call, the second at the second. @throws MidwireError MIDWIRE_UNMET */
  next(options?: HitOptions): Promise<Message<T>> {
    return this.waitForHit(++this.#taken, options)
  }

  /**
   * Lets one message go, or the `count` oldest. @default the oldest
   *
   * @throws MidwireError if it does not hold that message, or not that many
   */
  release(messageOrCount: Message<T> | number = 1): void {
    letGo(this.held, messageOrCount, 'message', one => one.connection.release(one))
  }

  /** Lets everything go that is held now. */
  releaseAll(): void {
    for (const message of this.held) message.connection.release(message)
  }

  override dispose(): void {
    super.dispose()
    this.releaseAll()
  }
}
