import type { RunnerTestCase } from 'vitest'
import { hookTimeout } from './worker-config.ts'

// The test may install fake timers.
const now = performance.now.bind(performance)

/** ms that a wait leaves of the time that vitest allows, to fail with a text of its own: 4800 of 5000. */
const margin = 200

/** How long what runs now may still take before vitest gives up on it. */
export interface Clock {
  /** ms, never negative; `undefined` where no deadline is known. */
  remaining(): number | undefined
}

/** The clock of one attempt of a test: its function has the test's timeout, the hooks around it have theirs. */
export class TestClock implements Clock {
  readonly #test: RunnerTestCase
  #bodyBegan: number | undefined

  constructor(test: RunnerTestCase) {
    this.#test = test
  }

  bodyBegins(): void {
    this.#bodyBegan = now()
  }

  remaining(): number | undefined {
    // A result other than 'run' means that the function has returned, and afterEach hooks run.
    const inBody = this.#bodyBegan !== undefined && this.#test.result?.state === 'run'
    if (!inBody || this.#bodyBegan === undefined) return hookClock.remaining()
    const { timeout } = this.#test
    return isLimit(timeout) ? Math.max(0, this.#bodyBegan + shortly(timeout) - now()) : undefined
  }
}

/** Hooks are timed one by one, and when one began is not known: what fits into a whole one, and no more than a wait without a deadline. */
export const hookClock: Clock = {
  remaining() {
    const timeout = hookTimeout()
    return timeout !== undefined && isLimit(timeout) ? Math.min(5000, shortly(timeout)) : undefined
  },
}

function shortly(timeout: number): number {
  return timeout - Math.min(margin, timeout / 10)
}

function isLimit(timeout: number): boolean {
  return timeout > 0 && Number.isFinite(timeout)
}
