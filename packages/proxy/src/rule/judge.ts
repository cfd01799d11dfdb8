import { MidwireError } from '../errors.ts'
import type { Message } from '../message.ts'
import type { Payload } from './payload.ts'
import type { FollowUp, MessageRule } from './rule.ts'
import { rivalOf, rivalry } from './rivals.ts'
import type { RuleRun } from './rule-run.ts'
import { pass } from './verdict.ts'
import type { Corruption, Verdict } from './verdict.ts'

/** What the rules want for one message. */
export interface Decision {
  /** 'ask': the handler of `run` decides, and has yet to be asked. */
  readonly verdict: Verdict | 'ask'
  /** What a 'replace' puts in its place, encoded. */
  readonly payload: Payload | undefined
  /** The rule that decided, if one did. */
  readonly run: RuleRun<MessageRule> | undefined
  readonly then: readonly FollowUp[]
}

/** What a judge needs of the session that asks it. */
export interface Court {
  /** A value that only this call has: the rule may change it. */
  freshValue(message: Message): unknown
  /** @throws MidwireError if it cannot be encoded */
  encode(value: unknown, original: Message): Payload
  /** Told of every function that threw; the message passes. */
  failed(run: RuleRun<MessageRule>, message: Message, error: unknown): void
}

const noFollowUps: readonly FollowUp[] = []

/** No rule decided, and none wants anything done after it. */
export const undisturbed: Decision = Object.freeze({ verdict: pass, payload: undefined, run: undefined, then: noFollowUps })

/**
 * Asks the rules about a message that has arrived, the first one first. The first that decides, decides; every match is evaluated
 * and counted, and observers see every message they match.
 */
export function judge(runs: readonly RuleRun<MessageRule>[], message: Message, court: Court): Decision {
  let decision = undisturbed
  for (const run of runs) {
    const { rule } = run
    try {
      if (!rule.match.test(message.value, message) || !run.countMatch()) continue
    } catch (error) {
      court.failed(run, message, error)
      continue
    }
    if (rule.action.kind === 'observe') {
      run.countAct(message)
      observe(run, rule.action.fn, message, court)
      if (rule.then.length > 0) decision = { ...decision, then: [...decision.then, ...rule.then] }
      continue
    }
    if (decision.run) {
      run.shadow()
      continue
    }
    run.countAct(message)
    const rival = rivalOf(run, runs)
    decision = rival ? contested(run, rival, message, court) : decide(run, decision.then, message, court)
  }
  return decision
}

function contested(run: RuleRun<MessageRule>, rival: RuleRun<MessageRule>, message: Message, court: Court): Decision {
  const { id, scope } = message.connection
  const error = rivalry(run, rival, { scope, name: `connection ${id}`, kind: 'message' })
  if (error) for (const one of [run, rival]) court.failed(one, message, error)
  return { ...undisturbed, run }
}

function observe(run: RuleRun<MessageRule>, fn: (value: unknown, message: Message) => void, message: Message, court: Court): void {
  try {
    fn(message.value, message)
  } catch (error) {
    court.failed(run, message, error)
  }
}

function decide(run: RuleRun<MessageRule>, before: readonly FollowUp[], message: Message, court: Court): Decision {
  const { action, then: own } = run.rule
  const then = before.length === 0 ? own : [...before, ...own]
  const as = (verdict: Verdict | 'ask', payload?: Payload): Decision => ({ verdict, payload, run, then })
  switch (action.kind) {
    case 'observe':
    case 'duplicate':
      return as(pass)
    case 'drop':
      return as({ kind: 'drop' })
    case 'delay':
      return as({ kind: 'delay', ms: action.ms })
    case 'hold':
      return as({ kind: 'hold', others: action.others })
    case 'corrupt':
      return as({ kind: 'corrupt', how: action.how })
    case 'handle':
      return as('ask')
    case 'reply':
      try {
        const answer = action.fn(message.value, message)
        return {
          verdict: { kind: 'drop' },
          payload: undefined,
          run,
          then: [...before, { kind: 'send', to: message.from, value: answer }, ...own],
        }
      } catch (error) {
        court.failed(run, message, error)
        return as(pass)
      }
    case 'patch':
    case 'replace':
      try {
        const value = action.kind === 'patch' ? patched(action.fn, message, court) : action.fn(message.value, message)
        return as({ kind: 'replace', value }, court.encode(value, message))
      } catch (error) {
        court.failed(run, message, error)
        return as(pass)
      }
  }
}

function patched(fn: (value: unknown, message: Message) => unknown, message: Message, court: Court): unknown {
  const value = court.freshValue(message)
  const returned = fn(value, message)
  if (returned instanceof Promise)
    throw new MidwireError('MIDWIRE_BAD_INPUT', 'a patch must be done when it returns: it returned a promise; handle() may be asynchronous')
  return returned === undefined ? value : returned
}

const corruptions: ReadonlySet<unknown> = new Set<Corruption>(['payload', 'utf8', 'opcode', 'rsv', 'control', 'truncate'])

/** True for what a handler may return. */
export function isVerdict(value: unknown): value is Verdict {
  if (typeof value !== 'object' || value === null || !('kind' in value)) return false
  switch (value.kind) {
    case 'pass':
    case 'drop':
      return true
    case 'corrupt':
      return 'how' in value && corruptions.has(value.how)
    case 'delay':
      return 'ms' in value && typeof value.ms === 'number' && value.ms >= 0
    case 'replace':
      return 'value' in value
    case 'hold':
      return 'others' in value && (value.others === 'wait' || value.others === 'pass')
    default:
      return false
  }
}
