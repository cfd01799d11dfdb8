import type { Inbound } from '../capture/inbound.ts'
import type { Scope } from '../scope.ts'

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

/** The error of a connect that got no answer, as `net` makes it. */
function timedOut(host: string, port: number): Error {
  return Object.assign(new Error(`connect ETIMEDOUT ${host}:${port}`), {
    errno: -110,
    code: 'ETIMEDOUT',
    syscall: 'connect',
    address: host,
    port,
  })
}
