import type { Inbound } from '../capture/inbound.ts'
import type { Scope } from '../scope.ts'
import { timedOut } from './connect-errors.ts'
import type { Leg } from './leg.ts'

/** Connects and connections that a rule lets hang, until their clients give up or their scope ends. */
export class Parked {
  readonly #ends = new Map<() => void, Scope>()

  add(scope: Scope, inbound: Inbound): void {
    const end = (): void => inbound.failAttempts({ error: timedOut })
    this.#ends.set(end, scope)
    inbound.gone.addEventListener('abort', () => this.#ends.delete(end), { once: true })
  }

  /** A connection that was accepted. */
  addLeg(scope: Scope, leg: Leg): void {
    const end = (): void => leg.end()
    this.#ends.set(end, scope)
    leg.raw.once('close', () => this.#ends.delete(end))
  }

  endAll(inScope: (scope: Scope) => boolean): void {
    for (const [end, scope] of this.#ends) {
      if (!inScope(scope)) continue
      this.#ends.delete(end)
      end()
    }
  }
}
