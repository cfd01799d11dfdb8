import { longestTimeout, realClock } from './clock.ts'
import type { Timer } from './clock.ts'

/** Whose timers the globals are: Node's own, or those of a test. */
export interface Regime {
  readonly isReal: boolean
  /** True while the globals are still the ones it was made from. */
  readonly stands: boolean
  /** ms since it began, as far as its globals tell; `undefined` where they tell no time, and only its timers say that some has passed. */
  passed(): number | undefined
  after(ms: number, fn: () => void): Timer
}

const real = globalsNow()

interface Globals {
  readonly setTimeout: typeof globalThis.setTimeout
  readonly clearTimeout: typeof globalThis.clearTimeout
  readonly performance: object
  readonly Date: typeof globalThis.Date
}

function globalsNow(): Globals {
  const { setTimeout, clearTimeout, performance, Date } = globalThis
  return { setTimeout, clearTimeout, performance, Date }
}

/** The regime that the globals are under now. */
export function regimeNow(): Regime {
  const globals = globalsNow()
  const isReal = globals.setTimeout === real.setTimeout
  return {
    isReal,
    get stands() {
      const { setTimeout, performance, Date } = globalThis
      // While the timers are real, time is real, whatever else a test fakes.
      return setTimeout === globals.setTimeout && (isReal || (performance === globals.performance && Date === globals.Date))
    },
    passed: isReal ? since(() => realClock.now()) : fakeTime(globals),
    after: isReal ? realClock.after : (ms, fn) => fakeTimer(globals, ms, fn),
  }
}

/** Fake performances begin at 0 when they are installed, and do not follow a system time that is set; fake Dates may do both otherwise. */
function fakeTime({ setTimeout, performance, Date }: Globals): () => number | undefined {
  if (performance !== real.performance) {
    const now = (): number => (performance as Pick<typeof globalThis.performance, 'now'>).now()
    // The fake timers of vitest, Jest and Sinon say so; of others nothing is known of when they began.
    return 'clock' in setTimeout ? now : since(now)
  }
  if (Date !== real.Date) return since(() => Date.now())
  return () => undefined
}

function since(now: () => number): () => number {
  const start = now()
  return () => now() - start
}

function fakeTimer({ setTimeout, clearTimeout }: Globals, ms: number, fn: () => void): Timer {
  const timer: unknown = setTimeout(fn, Math.min(ms, longestTimeout))
  if (typeof timer === 'object' && timer !== null && 'unref' in timer && typeof timer.unref === 'function') timer.unref()
  return { cancel: () => clearTimeout(timer as NodeJS.Timeout) }
}
