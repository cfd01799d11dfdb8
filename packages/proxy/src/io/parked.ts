import type { Inbound } from '../capture/inbound.ts'
import type { Scope } from '../scope.ts'
import { timedOut } from './connect-errors.ts'

/** Connects that a rule lets hang, until their clients give up or their scope ends. */
export class Parked {
  readonly #inbounds = new Map<Inbound, Scope>()

  add(scope: Scope, inbound: Inbound): void {
    this.#inbounds.set(inbound, scope)
    inbound.gone.addEventListener('abort', () => this.#inbounds.delete(inbound), { once: true })
  }

  endAll(inScope: (scope: Scope) => boolean): void {
    for (const [inbound, scope] of this.#inbounds) {
      if (!inScope(scope)) continue
      this.#inbounds.delete(inbound)
      inbound.fail(timedOut(inbound.destination.host, inbound.destination.port))
    }
  }
}
