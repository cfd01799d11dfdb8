import { MidwireError, ruleLabel } from '@midwire/proxy'
import type { EngineFailure, Leak, ProxyEngine, Rule, RuleRun, SourceLine } from '@midwire/proxy'
import { UnusedRule } from './expectation-errors.ts'
import { shadowOf } from './report.ts'
import { times } from './failure-text.ts'
import type { PendingWait, ScopeState } from './scope-state.ts'
import { placedAt, readCallSite, showLine } from './source-line.ts'

/** What is asked of a scope when it ends. */
export interface Reckoning {
  readonly state: ScopeState
  readonly engine: ProxyEngine
  readonly unusedRules: 'fail' | 'warn' | 'ignore'
  readonly leaks: 'close' | 'fail'
  readonly warn: (text: string) => void
}

/** What must fail a scope: `before` is known while it is still open, `after` once its connections have been closed. */
export function scopeErrors({ state, engine, unusedRules, leaks, warn }: Reckoning): {
  readonly before: Error[]
  readonly after: () => Error[]
} {
  // Why a contested one did not act is told already.
  const unused = [...state.owed].filter(([run]) => run.acted === 0 && !run.contested)
  if (unusedRules === 'warn') for (const one of unused) warn(unusedText(one, engine))
  const open =
    leaks === 'fail'
      ? engine.connections.filter(({ scope, state: now }) => scope === state.scope && (now === 'open' || now === 'opening'))
      : []
  const before = [
    ...state.lineages.filter(({ used }) => !used).map(({ start, at }) => unfinishedBuilder(start, at)),
    ...[...state.waits].map(unawaited),
    ...(unusedRules === 'fail' ? unused.map(one => unusedRule(one, engine)) : []),
    ...open.map(
      ({ id, url }) =>
        new MidwireError('MIDWIRE_LEAK', `connection ${id} (${url}) was still open when its test ended; close its client in the test`),
    ),
  ]
  return {
    before,
    after: () => [...state.failures.map(failed), ...(leaks === 'fail' ? state.leaks.map(leaked) : [])],
  }
}

/** A rule that never acted, and the place in the journal at which it was declared. */
type Unused = readonly [run: RuleRun, declaredAfter: number]

function unfinishedBuilder(start: string, at: SourceLine): Error {
  const text = `${start}(…) at ${showLine(at)} has no verb, so it is no rule; end it with drop(), hold(), observe() or the like`
  return atLine(new MidwireError('MIDWIRE_BAD_USE', text), at)
}

function unawaited({ what, at }: PendingWait): Error {
  return atLine(new MidwireError('MIDWIRE_BAD_USE', `${what} at ${showLine(at)} was still waiting when its test ended; await it`), at)
}

function unusedRule(unused: Unused, engine: ProxyEngine): Error {
  const [{ rule }] = unused
  return atLine(new UnusedRule(unusedText(unused, engine)), rule.at)
}

function unusedText([run, declaredAfter]: Unused, engine: ProxyEngine): string {
  const { rule, matched } = run
  const what = `${ruleLabel(rule)}: the rule ${rule.start}(${rule.match.text === 'any' ? '' : rule.match.text}).${verbOf(rule)}()`
  const hint = 'remove it, or say optional()'
  if (matched === 0) return `${what} never matched${wasPooled(run, declaredAfter, engine) ?? `; ${hint}`}`
  const shadow = shadowOf(run, engine)
  if (shadow !== undefined) return `${what} matched ${times(matched)} but was shadowed by ${shadow}, which was asked first and decided`
  return `${what} matched ${times(matched)} but never acted${limits(rule)}; ${hint}`
}

/** Why a rule on connects met none, where clients had connections to that host already. */
function wasPooled({ rule }: RuleRun, declaredAfter: number, engine: ProxyEngine): string | undefined {
  if (rule.on !== 'connect') return undefined
  for (const event of engine.journal.read({ scope: rule.scope, after: declaredAfter })) {
    if (event.kind !== 'request') continue
    const { host, port, method, url } = event.exchange
    const target = { host, port }
    try {
      if (!rule.match.test(target, target)) continue
    } catch {
      return undefined
    }
    return `: ${method} ${url} went over a connection that was open before; let the client open another, or use onRequest().reset()`
  }
  return undefined
}

/** The word that the test used. */
function verbOf({ action }: Rule): string {
  if (action.kind !== 'fault') return action.kind
  return action.how === 'stall' ? 'timeout' : action.how
}

function limits({ nth }: Rule): string {
  return nth === undefined ? '' : `: it waits for match ${nth}`
}

function failed({ rule, error, message }: EngineFailure): Error {
  if (rule === undefined) return error
  const of = message === undefined ? '' : ` on ${message.from} message ${message.index + 1} of connection ${message.connection.id}`
  const text = error.message.includes(ruleLabel(rule)) ? error.message : `${ruleLabel(rule)}${of}: ${error.message}`
  const code = error instanceof MidwireError ? error.code : 'MIDWIRE_RULE_FAILED'
  // What Midwire itself has found has nothing to add.
  const isOwn = code === 'MIDWIRE_FORBIDDEN' || (error instanceof MidwireError && code === 'MIDWIRE_RULE_FAILED')
  return atLine(new MidwireError(code, text, { cause: isOwn ? error.cause : error }), rule.at)
}

function leaked({ host, port, stack }: Leak): Error {
  const site = stack === undefined ? undefined : readCallSite(stack)
  const at = site === undefined || site.line.line === 0 ? '' : ` at ${showLine(site.line)}`
  const error = new MidwireError(
    'MIDWIRE_LEAK',
    `a client of an ended test connected to ${host}:${port}${at}; stop it in the test that started it`,
  )
  return site === undefined ? error : placedAt(error, site)
}

function atLine<E extends Error>(error: E, { file, line, column }: SourceLine): E {
  return placedAt(error, { line: { file, line, column }, frames: `    at ${file}:${line}:${column}` })
}
