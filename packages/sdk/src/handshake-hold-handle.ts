import type { Connection, HandshakeRule } from '@midwire/proxy'
import { checkCount } from './bad-input.ts'
import { letGo } from './let-go.ts'
import { RuleHandle } from './rule-handle.ts'
import type { HitOptions } from './wait-options.ts'

/** A live rule that holds handshakes: the client has sent its upgrade request, and no answer comes. */
export class HandshakeHoldHandle extends RuleHandle<HandshakeRule> {
  readonly #seen: Connection[] = []
  #taken = 0

  /** The connections it holds now, oldest first. */
  get held(): readonly Connection[] {
    const held = this.desk.heldBy(this.run.rule)
    for (const connection of held) if (!this.#seen.includes(connection)) this.#seen.push(connection)
    return held
  }

  /** Resolves with the `count`-th connection that it holds. @default 1 @throws MidwireError MIDWIRE_UNMET */
  async waitForHit(count: number = 1, options?: HitOptions): Promise<Connection> {
    checkCount(count, 'waitForHit(count)')
    return await this.desk.waitForRule(this.run, count, () => (this.held, this.#seen[count - 1]), options)
  }

  /** The next connection that it holds: the first at the first call, the second at the second. @throws MidwireError MIDWIRE_UNMET */
  next(options?: HitOptions): Promise<Connection> {
    return this.waitForHit(++this.#taken, options)
  }

  /**
   * Lets one handshake go, or the `count` oldest. @default the oldest
   *
   * @throws MidwireError if it does not hold that connection, or not that many
   */
  release(connectionOrCount: Connection | number = 1): void {
    letGo(this.held, connectionOrCount, 'connection', one => this.desk.releaseHandshake(one))
  }

  /** Lets everything go that is held now. */
  releaseAll(): void {
    for (const connection of this.held) this.desk.releaseHandshake(connection)
  }

  override dispose(): void {
    super.dispose()
    this.releaseAll()
  }
}
