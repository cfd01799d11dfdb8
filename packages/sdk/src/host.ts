import type { ProxyEngine, Scope } from '@midwire/proxy'

/** What a test runner tells the SDK. The runner's plugin implements it. */
export interface Host {
  /** The scope of the code that runs now; `undefined` outside of any test and hook. */
  currentScope(engine: ProxyEngine): Scope | undefined
  /** ms from now until the runner gives the scope's test or hook up; `undefined` if it never does. */
  timeLeft(scope: Scope): number | undefined
  /** The title of the test, for failure texts; `undefined` for a scope that is no test. */
  testName(scope: Scope): string | undefined
  /** True while a hook runs in the scope of a test: its rules may stay unused. @default never */
  inHook?(scope: Scope): boolean
  /** A failure that came when all scopes it could belong to had been finished. */
  lateFailure(scope: Scope, error: Error): void
  /** Something that is worth a line, but fails nothing. */
  warn(scope: Scope, text: string): void
}
