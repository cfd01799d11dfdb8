import { MidwireError } from '@midwire/proxy'
import type { Journal, Scope, TrafficEvent } from '@midwire/proxy'
import type { Sought } from './sought.ts'
import { placedAt } from './source-line.ts'
import type { CallSite } from './source-line.ts'

/** An event, and what it has for the wait that looks for it. */
export interface Find<R> {
  readonly event: TrafficEvent
  readonly found: R
}

/** Looks through the journal as it grows: at each event once, and again at those of which more is still to come. */
export class Scan<R extends object> {
  readonly #journal: Journal
  readonly #scope: Scope
  readonly #sought: Sought<R>
  readonly #site: CallSite
  readonly #open: TrafficEvent[] = []
  #cursor: number

  /** `after`: where in the journal it begins; `site`: whose match it is. */
  constructor(journal: Journal, scope: Scope, after: number, sought: Sought<R>, site: CallSite) {
    this.#journal = journal
    this.#scope = scope
    this.#cursor = after
    this.#sought = sought
    this.#site = site
  }

  /** The next that is found, or `undefined` if there is none so far. @throws MidwireError MIDWIRE_RULE_FAILED if the match throws */
  next(): Find<R> | undefined {
    for (let at = 0; at < this.#open.length; at++) {
      const event = this.#open[at]
      if (event === undefined || this.#isOpen(event)) continue
      this.#open.splice(at--, 1)
      const found = this.#pick(event)
      if (found !== undefined) return { event, found }
    }
    for (const event of this.#journal.read({ after: this.#cursor, scope: this.#scope })) {
      this.#cursor = event.seq
      if (this.#isOpen(event)) {
        this.#open.push(event)
        continue
      }
      const found = this.#pick(event)
      if (found !== undefined) return { event, found }
    }
    return undefined
  }

  #isOpen(event: TrafficEvent): boolean {
    return this.#sought.isOpen?.(event) ?? false
  }

  #pick(event: TrafficEvent): R | undefined {
    try {
      return this.#sought.pick(event)
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      const text = `the match ${this.#sought.text} threw: ${reason}`
      throw placedAt(new MidwireError('MIDWIRE_RULE_FAILED', text, { cause: error }), this.#site)
    }
  }
}
