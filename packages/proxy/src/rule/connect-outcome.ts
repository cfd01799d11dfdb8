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
    case 'unreachable':
      return `unreachable (${rule.action.code}) ${by}`
    case 'hangUp':
      return `accepted and ended with ${rule.action.how.toUpperCase()} ${by}`
    case 'hang':
      return `accepted and left unanswered ${by}`
    case 'failTls':
      return `TLS alert ${rule.action.alert} ${by}`
    case 'presentCertificate':
      return `certificate ${rule.action.certificate} ${by}`
  }
}
