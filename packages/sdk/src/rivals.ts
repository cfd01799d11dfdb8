import { MidwireError, ruleLabel } from '@midwire/proxy'
import type { Connection, EngineFailure, Rule, RuleRun, Scope } from '@midwire/proxy'
import type { ScopeState } from './scope-state.ts'

interface RivalDesk {
  stateOf(scope: Scope): ScopeState
  takeFailure(failure: EngineFailure): void
}

/** Which tests have decided about messages of a connection that is not theirs alone. */
const deciders = new WeakMap<Connection, Map<Scope, Rule>>()

/**
 * Fails two tests that run at once and both decide about the messages of one connection, opened by a block around them: which of the
 * two a message meets would depend on their timing.
 */
export function watchForRivals(desk: RivalDesk, state: ScopeState, run: RuleRun): void {
  if (run.rule.on !== 'message' || run.rule.action.kind === 'observe' || state.kind !== 'test') return
  const { scope } = state
  let checked = 0
  run.onChange(() => {
    for (const { connection } of run.messages.slice(checked)) {
      if (connection.scope === scope || !connection.scope.contains(scope)) continue
      const here = deciders.get(connection) ?? new Map<Scope, Rule>()
      deciders.set(connection, here)
      if (here.has(scope)) continue
      here.set(scope, run.rule)
      for (const [other, rule] of here)
        if (!scope.isRelatedTo(other) && !desk.stateOf(other).finished) fail(desk, connection, rule, run.rule)
    }
    checked = run.messages.length
  })
}

function fail(desk: RivalDesk, connection: Connection, ...rules: readonly [Rule, Rule]): void {
  const [first, second] = rules
  const text =
    `tests "${first.scope.name}" and "${second.scope.name}" run at once and both have rules that decide on connection ${connection.id} ` +
    `(${connection.url}), which they share: ${ruleLabel(first)} and ${ruleLabel(second)}. Give each its own connection, or run them one after the other`
  for (const rule of rules)
    desk.takeFailure({ scope: rule.scope, rule, message: undefined, error: new MidwireError('MIDWIRE_BAD_USE', text) })
}
