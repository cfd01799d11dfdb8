import { MidwireError } from '../errors.ts'
import type { Message } from '../message.ts'
import type { MessageRule } from './rule.ts'
import type { RuleRun } from './rule-run.ts'

type Run = RuleRun<MessageRule>

/** Pairs that have been told of each other: one failure per test is enough. */
const told = new WeakMap<Run, WeakSet<Run>>()

/** A deciding rule of another test that runs at the same time; `runs` are those that a message of one connection meets. */
export function rivalOf(run: Run, runs: readonly Run[]): Run | undefined {
  return runs.find(other => other.rule.action.kind !== 'observe' && other.canAct && !other.rule.scope.isRelatedTo(run.rule.scope))
}

/** What both tests must fail with, the first time that the two meet. */
export function rivalry(run: Run, rival: Run, message: Message): MidwireError | undefined {
  if (told.get(run)?.has(rival) || told.get(rival)?.has(run)) return undefined
  told.set(run, (told.get(run) ?? new WeakSet()).add(rival))
  const { id, scope } = message.connection
  const owner = (of: Run): string => `"${of.rule.scope.name}" (${of.label})`
  return new MidwireError(
    'MIDWIRE_BAD_USE',
    `connection ${id} belongs to "${scope.name}", and two tests that run at the same time have rules that decide about its messages: ` +
      `${owner(run)} and ${owner(rival)}; whose message it is cannot be told, so it passed — give each test a client of its own, ` +
      `or let them run one after the other`,
  )
}
