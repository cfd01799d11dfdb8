import type { ControlFrame, ControlRule } from './rule.ts'
import { ruleLabel } from './rule-label.ts'

/** What a rule made of a ping, pong or close frame, for transcripts: `ping from the client dropped by onPing (channel.test.ts:33)`. */
export function controlOutcome({ kind, from }: ControlFrame, rule: ControlRule): string {
  const { action } = rule
  const what = `${kind === 'close' ? 'close frame' : kind} from the ${from}`
  const by = `by ${ruleLabel(rule)}`
  switch (action.kind) {
    case 'observe':
      return `${what} observed ${by}`
    case 'drop':
      return `${what} dropped ${by}`
    case 'hold':
      return `${what} held ${by}`
    case 'delay':
      return `${what} delayed ${action.ms} ms ${by}`
    case 'replace':
      return `${what} replaced ${by}: ${action.code ?? 'no code'}${action.reason === '' ? '' : ` ${JSON.stringify(action.reason)}`}`
  }
}
