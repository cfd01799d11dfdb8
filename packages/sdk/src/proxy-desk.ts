import type { EngineFailure, Match, Message, MessageRule, Rule, RuleRun, Scope } from '@midwire/proxy'
import type { ClientView } from './client-view.ts'
import { matchOf } from './match-input.ts'
import type { RuleDesk } from './rule-desk.ts'
import type { ScopeState } from './scope-state.ts'
import { callSite } from './source-line.ts'
import { awaitRule } from './waits.ts'
import type { WaitDesk } from './waits.ts'

/** What a proxy needs of the control it belongs to. */
export interface ProxyDesk extends WaitDesk {
  stateOf(scope: Scope): ScopeState
  inHook(scope: Scope): boolean
  /** What the scope has seen and what its rules did, as text. */
  transcript(scope: Scope): string
  takeFailure(failure: EngineFailure): void
}

/** Where the rules of a proxy, or of one client of it, are registered. */
export function ruleDesk(desk: ProxyDesk, client: ClientView | undefined): RuleDesk {
  return {
    declare({ lineage }) {
      const { scope } = desk.state()
      lineage.used = true
      return { scope, at: lineage.fresh ? lineage.at : callSite().line }
    },
    add<R extends Rule>(rule: R, until?: Match<unknown, Message>): RuleRun<R> {
      const run = desk.engine().rules.add(rule)
      if (until) watchFor(desk, rule, run, until, () => run.dispose())
      const state = desk.stateOf(rule.scope)
      state.runs.push(run)
      const isOwed = state.kind === 'test' && !rule.optional && rule.action.kind !== 'observe' && !desk.inHook(rule.scope)
      if (isOwed) state.owed.set(run, desk.engine().journal.mark())
      return run
    },
    messageMatch(input) {
      const match = matchOf<unknown, Message>(input)
      return client?.onConnections(match) ?? match
    },
    watchFor(rule, match, fn) {
      const run = runOf(desk, rule)
      if (run) watchFor(desk, rule, run, match, fn)
    },
    addBeside(rule, beside) {
      const added = desk.engine().rules.add(beside)
      whenDisposed(runOf(desk, rule), () => added.dispose())
    },
    whenDisposed: (rule, fn) => whenDisposed(runOf(desk, rule), fn),
    note: (scope, text) => void desk.stateOf(scope).notes.push(text),
    waitForRule: (run, count, look, options) => awaitRule(desk, run, count, look, options),
    heldBy: rule => desk.engine().heldBy(rule),
    releaseHandshake: connection => desk.engine().releaseHandshake(connection),
    fail(rule, message, reason) {
      desk.takeFailure({ scope: rule.scope, rule, message, error: asError(reason) })
    },
    failHere(rule, reason) {
      const here = desk.engine().currentScope()
      const scope = here && rule.scope.contains(here) ? here : rule.scope
      desk.takeFailure({ scope, rule, message: undefined, error: asError(reason) })
    },
    failScope(scope, reason) {
      desk.takeFailure({ scope, rule: undefined, message: undefined, error: asError(reason) })
    },
  }
}

/** A rule beside the rule: newer, so that it is asked before; it lives as long, and counts for nothing. */
function watchFor(desk: ProxyDesk, rule: Rule, run: RuleRun, match: Match<unknown, Message>, fn: (message: Message) => void): void {
  const { scope, at, start, name, connection } = rule
  const watcher = desk.engine().rules.add<MessageRule>({
    on: 'message',
    scope,
    at,
    start,
    ...(name !== undefined && { name }),
    ...(connection && { connection }),
    optional: true,
    from: undefined,
    match,
    action: { kind: 'observe', fn: (_value, message) => fn(message) },
    then: [],
  })
  whenDisposed(run, () => watcher.dispose())
}

function runOf(desk: ProxyDesk, rule: Rule): RuleRun | undefined {
  return desk.stateOf(rule.scope).runs.find(one => one.rule === rule)
}

function whenDisposed(run: RuleRun | undefined, fn: () => void): void {
  const stop = run?.onChange(() => {
    if (!run.disposed) return
    stop?.()
    fn()
  })
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason), { cause: reason })
}
