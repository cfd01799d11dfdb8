import { realClock } from './clock.ts'
import type { Clock, Timer } from './clock.ts'
import { regimeNow } from './regime.ts'
import type { Regime } from './regime.ts'

/** ms of real time after which timers that were set notice that the fake ones have come or gone. */
const watchTime = 10

/**
 * A clock that starts at 0, follows the fake timers of a test while they are installed, and real time otherwise. It goes on from where it
 * was when they come or go, and takes the timers along that were set before.
 */
export function startTestClock(): Clock {
  return new TestClock()
}

class TestClock implements Clock {
  readonly #timers = new Set<TestTimer>()
  #regime: Regime = regimeNow()
  /** What this clock said when the regime began. */
  #before = 0
  #latest = 0
  #isWatching = false

  now(): number {
    this.#follow()
    const passed = this.#regime.passed()
    if (passed !== undefined) this.#latest = Math.max(this.#latest, this.#before + passed)
    return this.#latest
  }

  after(ms: number, fn: () => void): Timer {
    const timer = new TestTimer(this.now() + ms, fn, done => this.#timers.delete(done))
    this.#timers.add(timer)
    this.#arm(timer)
    this.#watchOn()
    return timer
  }

  cancel(timer: Timer | undefined): void {
    timer?.cancel()
  }

  #arm(timer: TestTimer): void {
    timer.arm(this.#regime.after(Math.max(0, timer.due - this.#latest), () => this.#fired(timer)))
  }

  #fired(timer: TestTimer): void {
    const { isReal } = this.#regime
    this.#follow()
    // The timers have changed hands meanwhile.
    if (isReal !== this.#regime.isReal) return
    // A fake timer that fires says what time it is; a real one may be early.
    if (!isReal) this.#latest = Math.max(this.#latest, timer.due)
    timer.fire()
  }

  /** Goes over to the regime of now, if it is another. */
  #follow(): void {
    if (this.#regime.stands) return
    const passed = this.#regime.isReal ? undefined : this.#regime.passed()
    if (passed !== undefined) this.#latest = Math.max(this.#latest, this.#before + passed)
    this.#before = this.#latest
    this.#regime = regimeNow()
    for (const timer of this.#timers) this.#arm(timer)
  }

  /** Fake timers that are taken away never fire, and a real one would not hear that a test has moved its time on. */
  #watchOn(): void {
    if (this.#isWatching) return
    this.#isWatching = true
    realClock.after(watchTime, () => {
      this.#isWatching = false
      if (this.#timers.size === 0) return
      const hasChanged = !this.#regime.stands
      const now = this.now()
      if (hasChanged) this.#catchUp(now)
      this.#watchOn()
    })
  }

  #catchUp(now: number): void {
    const late = [...this.#timers].filter(({ due }) => due <= now)
    for (const timer of late.sort((a, b) => a.due - b.due)) if (this.#timers.has(timer)) timer.fire()
  }
}

/** A timer that can change hands. */
class TestTimer implements Timer {
  /** When, on the clock that made it. */
  readonly due: number
  readonly #fn: () => void
  readonly #done: (timer: TestTimer) => void
  #armed: Timer | undefined

  constructor(due: number, fn: () => void, done: (timer: TestTimer) => void) {
    this.due = due
    this.#fn = fn
    this.#done = done
  }

  arm(armed: Timer): void {
    this.#armed?.cancel()
    this.#armed = armed
  }

  readonly cancel = (): void => {
    this.#armed?.cancel()
    this.#done(this)
  }

  fire(): void {
    this.cancel()
    this.#fn()
  }
}
