import type { Match, Rule } from './rule.ts'
import type { RuleRun } from './rule-run.ts'

/** The first rule that acts on `subject`, in the order of `runs`; the others are told that they were too late. `observer`: what those that never decide are to call. */
export function firstToDecide<S, R extends Rule & { readonly match: Match<S, S> }>(
  runs: readonly RuleRun<R>[],
  subject: S,
  failed: (run: RuleRun<R>, error: unknown) => void,
  observer: (rule: R) => ((subject: S) => void) | undefined = () => undefined,
): RuleRun<R> | undefined {
  let decided: RuleRun<R> | undefined
  for (const run of runs) {
    try {
      if (!run.rule.match.test(subject, subject) || !run.countMatch()) continue
      const observe = observer(run.rule)
      if (observe) {
        run.countAct()
        observe(subject)
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
