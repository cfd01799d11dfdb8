import type { Exchange, Match, Message, RequestRule } from '@midwire/proxy'
import { checkCount } from './bad-input.ts'
import { letGo } from './let-go.ts'
import type { RuleDesk } from './rule-desk.ts'
import { RuleHandle } from './rule-handle.ts'
import type { HitOptions } from './wait-options.ts'

/** A live rule on HTTP requests. */
export class RequestRuleHandle extends RuleHandle<RequestRule> {
  /** The exchanges it has acted on, oldest first. */
  get exchanges(): readonly Exchange[] {
    return this.run.exchanges
  }

  /** Resolves with the exchange of the `count`-th hit. @default 1 @throws MidwireError MIDWIRE_UNMET */
  async waitForHit(count: number = 1, options?: HitOptions): Promise<Exchange> {
    checkCount(count, 'waitForHit(count)')
    return await this.desk.waitForRule(this.run, count, () => this.exchanges[count - 1], options)
  }
}

/** A live rule that holds requests, or responses. */
export class RequestHoldHandle extends RequestRuleHandle {
  readonly #seen: Exchange[] = []
  #taken = 0

  constructor(desk: RuleDesk, rule: RequestRule, until?: Match<unknown, Message>) {
    super(desk, rule, until)
    this.run.onChange(() => {
      for (const exchange of this.run.heldExchanges) if (!this.#seen.includes(exchange)) this.#seen.push(exchange)
    })
  }

  /** What it holds now, oldest first. */
  get held(): readonly Exchange[] {
    return this.run.heldExchanges
  }

  /** The next exchange that it holds: the first at the first call, the second at the second. @throws MidwireError MIDWIRE_UNMET */
  next(options?: HitOptions): Promise<Exchange> {
    const place = this.#taken++
    return this.desk.waitForRule(this.run, place + 1, () => this.#seen[place], options)
  }

  /**
   * Lets one exchange go, or the `count` oldest. @default the oldest
   *
   * @throws MidwireError if it does not hold that exchange, or not that many
   */
  release(exchangeOrCount: Exchange | number = 1): void {
    letGo(this.held, exchangeOrCount, 'exchange', one => this.run.releaseExchange(one))
  }

  /** Lets everything go that is held now. */
  releaseAll(): void {
    for (const exchange of this.held) this.run.releaseExchange(exchange)
  }

  override dispose(): void {
    super.dispose()
    this.releaseAll()
  }
}
