import { firstToDecide } from './first-to-decide.ts'
import type { ControlFrame, ControlRule } from './rule.ts'
import type { RuleRun } from './rule-run.ts'

/** Asks the rules about a ping, pong or close frame, as `judge` does about a message; `undefined`: it goes on. */
export function judgeControl(
  runs: readonly RuleRun<ControlRule>[],
  frame: ControlFrame,
  failed: (run: RuleRun<ControlRule>, error: unknown) => void,
): RuleRun<ControlRule> | undefined {
  const meant = runs.filter(({ rule }) => rule.control === frame.kind)
  return firstToDecide(meant, frame, failed, ({ action }) => (action.kind === 'observe' ? action.fn : undefined))
}
