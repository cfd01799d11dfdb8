import type { Journal } from '@midwire/proxy'
import { badInput } from './bad-input.ts'
import type { Landmark } from './wait-options.ts'

/** Where in the journal the things lie that waits have returned. */
export class Landmarks {
  readonly #places = new WeakMap<object, number>()

  /** Remembers where a wait found what it returns. */
  place(found: object, seq: number): void {
    this.#places.set(found, seq)
  }

  /** The position of what a wait returned, or of a mark. @throws MidwireError if it has none */
  find(landmark: Landmark, journal: Journal, what: string): number {
    const seq = this.lookUp(landmark, journal)
    if (seq === undefined) throw badInput(`${what}: expected what a wait returned, or proxy.mark()`)
    return seq
  }

  lookUp(landmark: unknown, journal: Journal): number | undefined {
    if (typeof landmark !== 'object' || landmark === null) return undefined
    const placed = this.#places.get(landmark)
    if (placed !== undefined) return placed
    if ('seq' in landmark && typeof landmark.seq === 'number') return landmark.seq
    // `proxy.connections[0]` and `proxy.requests[0]` come from no wait.
    for (const event of journal.read()) {
      if ('connection' in event && event.connection === landmark) return event.seq
      if ('exchange' in event && event.exchange === landmark) return event.seq
    }
    return undefined
  }
}
