import type { ProxyEngine, Scope } from '@midwire/proxy'
import type { Host } from '@midwire/sdk'
import { hookClock } from './test-clock.ts'
import type { TestClock } from './test-clock.ts'

/** One attempt of a test that is under way. */
interface Attempt {
  readonly name: string
  readonly clock: TestClock
}

/** Tells the SDK which test runs, and how long it still may. */
export class VitestHost implements Host {
  readonly #attempts = new WeakMap<Scope, Attempt>()
  readonly #late: Error[] = []

  /** The scope of one attempt of a test; any other scope is that of a block. */
  enter(scope: Scope, attempt: Attempt): void {
    this.#attempts.set(scope, attempt)
  }

  currentScope(engine: ProxyEngine): Scope | undefined {
    return engine.currentScope()
  }

  timeLeft(scope: Scope): number | undefined {
    return (this.#attempts.get(scope)?.clock ?? hookClock).remaining()
  }

  testName(scope: Scope): string | undefined {
    return this.#attempts.get(scope)?.name
  }

  inHook(scope: Scope): boolean {
    return this.#attempts.get(scope)?.clock.inBody !== true
  }

  lateFailure(_scope: Scope, error: Error): void {
    this.#late.push(error)
  }

  warn(_scope: Scope, text: string): void {
    console.warn(text)
  }

  /** Failures that came too late for every scope they could belong to: what runs last answers for them. */
  takeLateFailures(): Error[] {
    return this.#late.splice(0)
  }
}
