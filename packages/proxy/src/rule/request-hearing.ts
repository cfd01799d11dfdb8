import type { Exchange } from '../journal/traffic-event.ts'
import type { RequestFacts, RequestRule } from './request-rule.ts'
import { rivalOf, rivalry } from './rivals.ts'
import type { RuleRun } from './rule-run.ts'
import type { Scope } from '../scope.ts'

/** What the rules are asked about: facts whose body may not have come yet. */
export interface Matter {
  readonly facts: RequestFacts
  /** True once `facts.body` can be read. */
  readonly hasBody: boolean
  /** True if `facts.body` was asked for in vain since the last call. */
  missedBody(): boolean
}

type Run = RuleRun<RequestRule>

/**
 * Asks the rules about one request, the first one first. The first that decides, decides; every match is counted, and observers see
 * every request they match. A rule that reads the body waits for it, and those behind it wait, too, unless its match fails on the head.
 */
export class RequestHearing {
  readonly #runs: readonly Run[]
  readonly #matter: Matter
  readonly #exchange: Exchange
  readonly #scope: Scope | undefined
  readonly #failed: (run: Run, error: unknown) => void
  #next = 0

  /** `scope`: whose request it is. */
  constructor(
    runs: readonly Run[],
    matter: Matter,
    exchange: Exchange,
    scope: Scope | undefined,
    failed: (run: Run, error: unknown) => void,
  ) {
    this.#runs = runs
    this.#matter = matter
    this.#exchange = exchange
    this.#scope = scope
    this.#failed = failed
  }

  /** The next rule that decides; 'body' if it takes the body to tell; `undefined` if none is left. */
  ask(): Run | 'body' | undefined {
    for (;;) {
      const run = this.#runs[this.#next]
      if (!run) return undefined
      if (this.#mustWait(run)) return 'body'
      this.#next++
      if (!this.#matches(run)) continue
      if (run.rule.action.kind !== 'observe') {
        run.countExchange(this.#exchange)
        return this.#isContested(run) ? undefined : run
      }
      this.#observe(run, run.rule.action.fn)
    }
  }

  /** Two tests want to decide about a request of a client that they share: both fail, and it passes. */
  #isContested(run: Run): boolean {
    const rival = rivalOf(run, this.#runs)
    if (!rival || !this.#scope) return false
    const { method, url } = this.#matter.facts
    const error = rivalry(run, rival, { scope: this.#scope, name: `${method} ${url}`, kind: 'request' })
    if (error) for (const one of [run, rival]) this.#failed(one, error)
    return true
  }

  /** Counts the matches of the rules behind the one that decided. Returns what does so for those that want the body, if there are any. */
  conclude(): (() => void) | undefined {
    const waiting: Run[] = []
    for (const run of this.#runs.slice(this.#next)) {
      if (this.#mustWait(run)) waiting.push(run)
      else this.#count(run)
    }
    this.#next = this.#runs.length
    return waiting.length > 0 ? () => waiting.forEach(run => this.#count(run)) : undefined
  }

  #count(run: Run): void {
    if (!this.#matches(run)) return
    if (run.rule.action.kind === 'observe') this.#observe(run, run.rule.action.fn)
    else run.shadow()
  }

  /** A match that fails without having looked at the body will not be true with it. */
  #mustWait({ rule }: Run): boolean {
    const matter = this.#matter
    if (!rule.needsBody || matter.hasBody) return false
    matter.missedBody()
    let matched = true
    try {
      matched = rule.match.test(matter.facts, matter.facts)
    } catch {
      // It is asked again with the body, and what it throws then counts.
    }
    return matter.missedBody() || matched
  }

  #matches(run: Run): boolean {
    try {
      return run.rule.match.test(this.#matter.facts, this.#matter.facts) && run.countMatch()
    } catch (error) {
      this.#failed(run, error)
      return false
    }
  }

  #observe(run: Run, fn: (request: RequestFacts) => void): void {
    run.countExchange(this.#exchange)
    try {
      fn(this.#matter.facts)
    } catch (error) {
      this.#failed(run, error)
    }
  }
}
