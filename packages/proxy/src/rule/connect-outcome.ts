import type { ConnectRule } from './rule.ts'
import { ruleLabel } from './rule-label.ts'

/** What a rule made of a TCP connect, for transcripts: `refused by onConnect (channel.test.ts:33)`. */
export function connectOutcome(rule: ConnectRule): string {
  const by = `by ${ruleLabel(rule)}`
  switch (rule.action.kind) {
    case 'refuse':
      return `refused ${by}`
    case 'failDns':
      return `name not resolved ${by}`
    case 'timeout':
      return `left unanswered ${by}`
  }
}
