import { MidwireError } from '../errors.ts'
import type { Scope } from '../scope.ts'
import type { Rule } from './rule.ts'
import type { RuleRun } from './rule-run.ts'

/** What two tests want to decide about. */
export interface Bone {
  /** Whose it is. */
  readonly scope: Scope
  /** `connection 7`, `GET https://api.example.com/`. */
  readonly name: string
  /** What the rules decide about. */
  readonly kind: 'message' | 'request'
}

/** Pairs that have been told of each other: one failure per test is enough. */
const told = new WeakMap<RuleRun, WeakSet<RuleRun>>()

/** A deciding rule of another test that runs at the same time; `runs` are those that the same message or request meets. */
export function rivalOf<R extends Rule>(run: RuleRun<R>, runs: readonly RuleRun<R>[]): RuleRun<R> | undefined {
  return runs.find(other => other.rule.action.kind !== 'observe' && other.canAct && !other.rule.scope.isRelatedTo(run.rule.scope))
}

/** What both tests must fail with, the first time that the two meet. */
export function rivalry<R extends Rule>(run: RuleRun<R>, rival: RuleRun<R>, { scope, name, kind }: Bone): MidwireError | undefined {
  if (told.get(run)?.has(rival) || told.get(rival)?.has(run)) return undefined
  told.set(run, (told.get(run) ?? new WeakSet()).add(rival))
  for (const one of [run, rival]) one.contest()
  const owner = (of: RuleRun<R>): string => `"${of.rule.scope.name}" (${of.label})`
  return new MidwireError(
    'MIDWIRE_BAD_USE',
    `${name} belongs to "${scope.name}", and two tests that run at the same time have rules that decide about ` +
      `${kind === 'message' ? 'its messages' : 'it'}: ${owner(run)} and ${owner(rival)}; whose ${kind} it is cannot be told, so it passed — ` +
      `give each test a client of its own, or let them run one after the other`,
  )
}
