import type { Scope } from '../scope.ts'
import type { Leg } from './leg.ts'

/** The client ends that are open, whatever they speak, with the scope that opened them. */
export class OpenLegs {
  readonly #legs = new Map<Leg, Scope | undefined>()

  add(scope: Scope | undefined, leg: Leg): void {
    this.#legs.set(leg, scope)
    leg.raw.once('close', () => this.#legs.delete(leg))
  }

  get size(): number {
    return this.#legs.size
  }

  async destroyAll(): Promise<void> {
    const closed = [...this.#legs.keys()].map(leg => new Promise(resolve => leg.raw.once('close', resolve)))
    for (const leg of this.#legs.keys()) leg.destroy()
    await Promise.all(closed)
  }
}
