import type { ControlFrame, ControlRule } from './rule.ts'
import type { RuleRun } from './rule-run.ts'

/** Asks the rules about a ping, pong or close frame, as `judge` does about a message; `undefined`: it goes on. */
export function judgeControl(
  runs: readonly RuleRun<ControlRule>[],
  frame: ControlFrame,
  failed: (run: RuleRun<ControlRule>, error: unknown) => void,
): RuleRun<ControlRule> | undefined {
  let decided: RuleRun<ControlRule> | undefined
  for (const run of runs) {
    const { rule } = run
    if (rule.control !== frame.kind) continue
    try {
      if (!rule.match.test(frame, frame) || !run.countMatch()) continue
      if (rule.action.kind === 'observe') {
        run.countAct()
        rule.action.fn(frame)
        continue
      }
    } catch (error) {
      failed(run, error)
      continue
    }
    if (decided) {
      run.shadow()
      continue
    }
    run.countAct()
    decided = run
  }
  return decided
}
