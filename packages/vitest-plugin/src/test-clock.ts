import type { RunnerTestCase } from 'vitest'
import { hookTimeout } from './worker-config.ts'

// The test may install fake timers.
const now = performance.now.bind(performance)

/** ms of a wait in a hook whose own start is not known: what any wait gets that knows no deadline. */
const inHooks = 5200

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

  /** True while the test's own function runs, and not a hook before or after it. */
  get inBody(): boolean {
    // vitest sets the result when the function has returned, before it calls afterEach hooks.
    return this.#bodyBegan !== undefined && this.#test.result?.state === 'run'
  }

  remaining(): number | undefined {
    if (this.#bodyBegan === undefined || !this.inBody) return hookClock.remaining()
    const { timeout } = this.#test
    return isLimit(timeout) ? Math.max(0, this.#bodyBegan + timeout - now()) : undefined
  }
}

/** Hooks are timed one by one, and vitest does not tell when one began. */
export const hookClock: Clock = {
  remaining() {
    const timeout = hookTimeout()
    return timeout !== undefined && isLimit(timeout) ? Math.min(inHooks, timeout) : undefined
  },
}

function isLimit(timeout: number): boolean {
  return timeout > 0 && Number.isFinite(timeout)
}
