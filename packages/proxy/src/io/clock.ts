/**
 * The real clock, captured when this module is first imported, so that a test's fake timers freeze the client and not the wire.
 */
const { setTimeout: realSetTimeout, clearTimeout: realClearTimeout, setImmediate: realSetImmediate } = globalThis
const realNow = performance.now.bind(performance)

/** What `after` returns, for `cancel`. */
export interface Timer {
  readonly cancel: () => void
}

export interface Clock {
  /** ms since the clock was made, with fractions; never goes back. */
  now(): number
  /** Calls `fn` after `ms`, without keeping the process alive. */
  after(ms: number, fn: () => void): Timer
  cancel(timer: Timer | undefined): void
}

// setTimeout turns anything longer into 1 ms.
export const longestTimeout: number = 2 ** 31 - 1

/** A clock that starts at 0. */
export function startClock(): Clock {
  const start = realNow()
  return {
    now: () => realNow() - start,
    after: (ms, fn) => {
      const timer = realSetTimeout(fn, Math.min(ms, longestTimeout))
      timer.unref()
      return { cancel: () => realClearTimeout(timer) }
    },
    cancel: timer => timer?.cancel(),
  }
}

/** For what must come to an end also where a test's time stands still. */
export const realClock: Clock = startClock()

/** Resolves in a later turn of the event loop, after I/O that is ready now. */
export function laterTurn(): Promise<void> {
  return new Promise(resolve => {
    realSetImmediate(resolve)
  })
}
