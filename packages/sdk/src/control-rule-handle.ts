import type { ControlFrame, ControlRule, Match, Message } from '@midwire/proxy'
import { checkCount } from './bad-input.ts'
import { letGo } from './let-go.ts'
import type { RuleDesk } from './rule-desk.ts'
import { RuleHandle } from './rule-handle.ts'
import type { HitOptions } from './wait-options.ts'

/** A live rule on pings, pongs or close frames. */
export class ControlRuleHandle extends RuleHandle<ControlRule> {
  /** Resolves once the rule has acted `count` times. @default 1 @throws MidwireError MIDWIRE_UNMET */
  async waitForHit(count: number = 1, options?: HitOptions): Promise<void> {
    checkCount(count, 'waitForHit(count)')
    await this.desk.waitForRule(this.run, count, () => this.hits >= count || undefined, options)
  }
}

/** A live rule that holds pings, pongs or close frames. */
export class ControlHoldHandle extends ControlRuleHandle {
  readonly #seen: ControlFrame[] = []
  #taken = 0

  constructor(desk: RuleDesk, rule: ControlRule, until?: Match<unknown, Message>) {
    super(desk, rule, until)
    this.run.onChange(() => {
      for (const frame of this.run.heldFrames) if (!this.#seen.includes(frame)) this.#seen.push(frame)
    })
  }

  /** What it holds now, oldest first. */
  get held(): readonly ControlFrame[] {
    return this.run.heldFrames
  }

  /** The next frame that it holds: the first at the first call, the second at the second. @throws MidwireError MIDWIRE_UNMET */
  next(options?: HitOptions): Promise<ControlFrame> {
    const place = this.#taken++
    return this.desk.waitForRule(this.run, place + 1, () => this.#seen[place], options)
  }

  /**
   * Lets one frame go, or the `count` oldest. @default the oldest
   *
   * @throws MidwireError if it does not hold that frame, or not that many
   */
  release(frameOrCount: ControlFrame | number = 1): void {
    letGo(this.held, frameOrCount, 'frame', one => one.connection.releaseFrame(one))
  }

  /** Lets everything go that is held now. */
  releaseAll(): void {
    for (const frame of this.held) frame.connection.releaseFrame(frame)
  }

  override dispose(): void {
    super.dispose()
    this.releaseAll()
  }
}
