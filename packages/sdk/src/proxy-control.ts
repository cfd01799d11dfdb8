import type { EngineFailure, Leak, MessageRule, ProxyEngine, ProxyOptions, RequestRule, Scope } from '@midwire/proxy'
import { callerError } from './bad-input.ts'
import { failureText } from './failure-text.ts'
import { scopeErrors } from './scope-errors.ts'
import type { Host } from './host.ts'
import { IdenticalWaits } from './identical-waits.ts'
import { InterceptionProxy } from './interception-proxy.ts'
import { Landmarks } from './landmarks.ts'
import { readingNotes, ruleLines, transcriptOf } from './report.ts'
import type { ScopeKind, ScopeState } from './scope-state.ts'
import { seedFromEnvironment } from './seed-of-run.ts'
import type { InterceptionOptions } from './settings.ts'
import { showLine } from './source-line.ts'
import type { CallSite } from './source-line.ts'
import { renderTranscript } from './transcript.ts'
import type { FailureDetails } from './waits.ts'

/** ms of a wait where no deadline is known. */
const defaultTimeout = 5000
/** ms that a wait ends before its test's own timeout, so that the failure is readable. */
const margin = 200
/** ms that a timer can take. */
const longest = 2_147_483_647

/** What a test runner holds: starts and finishes the scopes of an `InterceptionProxy`, and collects what must fail them. */
export class ProxyControl<T = Uint8Array> {
  /** What test authors hold. */
  readonly proxy: InterceptionProxy<T>
  readonly landmarks: Landmarks = new Landmarks()
  readonly #host: Host
  readonly #options: InterceptionOptions<T>
  readonly #states = new WeakMap<Scope, ScopeState>()
  readonly #opened = new Map<string, number>()
  #engine: ProxyEngine | undefined

  /** `options` must have passed `checkSettings`. */
  constructor(host: Host, options: InterceptionOptions<T> = {}) {
    this.#host = host
    this.#options = options
    this.proxy = new InterceptionProxy<T>(this)
  }

  /** The part of the engine's options that is the test author's, and the ends that failures and leaks come to. */
  engineOptions(): ProxyOptions {
    const { codec, route, intercept, bypass, upstreamProxy, listen, upstream, clock, journalLimit } = this.#options
    const { seed = seedFromEnvironment() } = this.#options
    return {
      ...(codec && { codec }),
      ...(this.#options.streams && { streams: this.#options.streams }),
      ...(route && { route }),
      ...(intercept && { intercept }),
      ...(bypass !== undefined && { bypass }),
      ...(upstreamProxy !== undefined && { upstreamProxy }),
      ...(listen && { listen }),
      ...(upstream !== undefined && { upstream }),
      ...(seed !== undefined && { seed }),
      ...(clock && { clock }),
      ...(journalLimit !== undefined && { journalLimit }),
      decisionTimeout: rule => this.#decisionTime(rule),
      onFailure: failure => this.takeFailure(failure),
      onLeak: leak => this.#takeLeak(leak),
    }
  }

  /** From now on the proxy can be used in tests and hooks. */
  bind(engine: ProxyEngine): void {
    this.#engine = engine
  }

  unbind(): void {
    this.#engine = undefined
  }

  /** @throws MidwireError MIDWIRE_BAD_USE outside of a test or hook */
  engine(): ProxyEngine {
    if (this.#engine === undefined) throw callerError('MIDWIRE_BAD_USE', outside)
    return this.#engine
  }

  /** The scope of the code that runs now. @throws MidwireError MIDWIRE_BAD_USE outside of a test or hook, and in one that has ended */
  state(): ScopeState {
    const scope = this.#host.currentScope(this.engine())
    if (scope === undefined) throw callerError('MIDWIRE_BAD_USE', outside)
    const state = this.stateOf(scope)
    if (scope.ended || state.finished) {
      throw callerError(
        'MIDWIRE_BAD_USE',
        `the proxy is used from "${this.#host.testName(scope) ?? scope.name}", which has ended; await everything that a test starts`,
      )
    }
    return state
  }

  /** Opens a scope: the waits of its code read the journal from here. */
  openScope(name: string, kind: ScopeKind, parent?: Scope): Scope {
    const scope = this.engine().openScope(name, parent)
    this.#begin(scope, kind)
    return scope
  }

  /** Makes a scope that the engine has opened itself, its root say, a test's. */
  adoptScope(scope: Scope, kind: ScopeKind): void {
    this.#begin(scope, kind)
  }

  /**
   * Ends a scope and returns what must fail it, oldest first: rules that never acted, builders without a verb, waits that nobody awaited,
   * functions of rules that failed, leaks. Returns nothing where `failed` says that the test has failed already.
   */
  async finishScope(scope: Scope, { failed }: { readonly failed: boolean }): Promise<Error[]> {
    const state = this.stateOf(scope)
    if (state.finished) return []
    const engine = this.engine()
    const { unusedRules = 'fail', leaks = 'close' } = this.#options
    const warn = (text: string): void => this.#host.warn(scope, text)
    const collect = scopeErrors({ state, engine, unusedRules, leaks, warn: failed ? () => {} : warn })
    // What the end of the scope does to its connections is nothing that a reader looks for.
    if (failed || collect.before.length > 0 || state.failures.length > 0) state.seen = transcriptOf({ engine, state })
    for (const wait of [...state.waits]) wait.abandon()
    state.finished = true
    await engine.endScope(scope)
    const errors = [...collect.before, ...collect.after()]
    state.reckoned = true
    if (!failed) return errors
    state.notes.push(...errors.map(error => `also: ${error.message.split('\n', 1)[0]}`))
    return []
  }

  /** What the scope has seen and what its rules did, as text. */
  transcript(scope: Scope): string {
    const engine = this.engine()
    const state = this.stateOf(scope)
    const parts = state.seen ?? transcriptOf({ engine, state })
    const rules = ruleLines(this.#around(state), engine)
    const ruleText = failureText({
      headline: '',
      place: '',
      testName: undefined,
      transcript: [],
      rules,
      notes: [...this.#chaos(state), ...state.notes],
      seed: seedOf(engine),
    })
    const seen = parts.length === 0 ? ['  nothing was seen: no connection, no request'] : renderTranscript(parts)
    return [...seen, ...ruleText.split('\n').slice(3)].join('\n')
  }

  /** True once a wait or an absence of the scope has failed it. */
  hasFailed(scope: Scope): boolean {
    return this.stateOf(scope).failed
  }

  stateOf(scope: Scope): ScopeState {
    return this.#states.get(scope) ?? this.#begin(scope, 'block', -1)
  }

  inHook(scope: Scope): boolean {
    return this.#host.inHook?.(scope) ?? false
  }

  timeout(state: ScopeState, asked: number | undefined): number {
    const left = this.#host.timeLeft(state.scope)
    const latest = left === undefined ? undefined : Math.max(left - margin, left / 2, 0)
    const wanted = asked ?? this.#options.waitTimeout
    return latest === undefined ? (wanted ?? defaultTimeout) : Math.min(wanted ?? latest, latest)
  }

  /** Ends before the waits of the test do: that a decision is missing explains why they were not met. */
  #decisionTime(rule: MessageRule | RequestRule): number {
    // Handlers of msw may never answer, if they want: `delay('infinite')`.
    if (rule.on === 'request' && rule.action.kind === 'handle') return longest
    const left = this.#host.timeLeft(rule.scope)
    return this.#options.decisionTimeout ?? (left === undefined ? defaultTimeout : Math.max(left - 2 * margin, left / 3))
  }

  failureText(state: ScopeState, headline: string, site: CallSite, { sought, marks, notes = [] }: FailureDetails = {}): string {
    const engine = this.engine()
    const seen = { engine, state, sought, marks }
    return failureText({
      headline,
      place: site.line.line === 0 ? '' : showLine(site.line),
      testName: this.#host.testName(state.scope),
      transcript: transcriptOf(seen),
      rules: ruleLines(this.#around(state), engine),
      notes: [
        ...notes,
        ...this.#chaos(state),
        ...readingNotes(seen),
        ...state.failures.map(({ error }) => `failed meanwhile: ${error.message}`),
        ...state.notes,
      ],
      seed: seedOf(engine),
    })
  }

  /** Fails the test whose traffic it happened to, though the rule may be that of a block around. */
  takeFailure(failure: EngineFailure): void {
    const of = failure.message?.connection.scope
    const scope = of && failure.scope.contains(of) ? of : failure.scope
    const state = this.#around(this.stateOf(scope)).findLast(({ reckoned }) => !reckoned)
    if (state) state.failures.push(failure)
    else this.#host.lateFailure(failure.scope, failure.error)
  }

  #takeLeak(leak: Leak): void {
    // `finishScope` of the scope itself may still be under way: it reads the leaks last.
    this.stateOf(leak.scope).leaks.push(leak)
    const state = this.#living(leak.scope)
    if (state && state.scope !== leak.scope) state.leaks.push(leak)
  }

  /** The innermost scope around, itself included, that is still to be finished. */
  #living(scope: Scope): ScopeState | undefined {
    for (let at: Scope | undefined = scope; at; at = at.parent) {
      const state = this.#states.get(at)
      if (state && !state.finished) return state
    }
    return undefined
  }

  /** The states of the scopes around, outermost first, itself last. */
  #around(state: ScopeState): ScopeState[] {
    const states: ScopeState[] = []
    for (let at: Scope | undefined = state.scope; at; at = at.parent) states.unshift(this.stateOf(at))
    return states
  }

  #chaos(state: ScopeState): string[] {
    return this.#around(state).flatMap(({ chaos }) => chaos.map(String))
  }

  /** A test that is repeated is another one each time, and the same one in each run. */
  #seedKey(scope: Scope): string {
    const names: string[] = []
    for (let at: Scope | undefined = scope; at; at = at.parent) names.unshift(at.name)
    const path = names.join(' > ')
    const before = this.#opened.get(path) ?? 0
    this.#opened.set(path, before + 1)
    return `${path} ${before}`
  }

  #begin(scope: Scope, kind: ScopeKind, startedAfter?: number): ScopeState {
    const state: ScopeState = {
      scope,
      kind,
      startedAfter: startedAfter ?? this.engine().journal.mark(),
      startedAt: startedAfter === undefined ? this.engine().now() : 0,
      runs: [],
      owed: new Map(),
      lineages: [],
      seedKey: this.#seedKey(scope),
      chaos: [],
      waits: new Set(),
      identical: new IdenticalWaits(),
      failures: [],
      leaks: [],
      notes: [],
      failed: false,
      finished: false,
      reckoned: false,
    }
    this.#states.set(scope, state)
    return state
  }
}

/** Shown once it has mattered: with the same seed a run draws the same. */
function seedOf({ isSeedUsed, seed }: ProxyEngine): number | undefined {
  return isSeedUsed ? seed : undefined
}

const outside = 'the proxy is used outside of a test or hook; what it does needs a test that it belongs to'
