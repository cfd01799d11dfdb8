import { count, renderTranscript } from './transcript.ts'
import type { TranscriptLimits, TranscriptPart } from './transcript.ts'

/** What a rule has done, in words and counts. */
export interface RuleLine {
  /** `"lose first attach"` or `onServerMessage (channel.test.ts:35)`. */
  readonly label: string
  readonly matched: number
  readonly acted: number
  /** Label of the newer rule that decided a match of this one. */
  readonly shadowedBy?: string | undefined
  /** Why it failed, if it did. */
  readonly failure?: string | undefined
}

/** Everything that a failed expectation tells, as data. */
export interface FailureReport {
  /** `no client message matched { action: "ATTACH" } within 4800 ms`. */
  readonly headline: string
  /** `channel.test.ts:41`; '' where the caller is not of this process. */
  readonly place: string
  readonly testName: string | undefined
  readonly transcript: readonly TranscriptPart[]
  readonly rules: readonly RuleLine[]
  /** Lines for people: evicted payloads, engine failures, unused rules of a test that has failed. */
  readonly notes: readonly string[]
  /** All that is random draws from it; shown where a rule is random. */
  readonly seed: number | undefined
}

/** The text of a failure: what was expected, where, what was seen instead, and what the rules did. */
export function failureText(report: FailureReport, limits?: TranscriptLimits): string {
  const where = [report.place && `at ${report.place}`, report.testName !== undefined && `test "${report.testName}"`].filter(Boolean)
  return [
    report.headline,
    `  ${where.join(' · ')}`,
    ...(report.transcript.length === 0 ? ['  nothing was seen: no connection, no request'] : renderTranscript(report.transcript, limits)),
    ...rulesText(report.rules),
    ...report.notes.map(note => `  ${note}`),
    ...(report.seed === undefined ? [] : [`  seed: ${report.seed} (MIDWIRE_SEED=${report.seed} draws the same again)`]),
  ].join('\n')
}

/** Of many rules those that did not act are told first: they are why one looks. */
function rulesText(rules: readonly RuleLine[]): string[] {
  if (rules.length === 0) return []
  const most = 12
  const shown = rules.length <= most ? rules : [...rules].sort((a, b) => Math.min(a.acted, 1) - Math.min(b.acted, 1)).slice(0, most)
  const more = rules.length > shown.length ? ` · … ${rules.length - shown.length} more` : ''
  return [`  rules: ${shown.map(ruleText).join(' · ')}${more}`]
}

/** `"lose first attach" acted once`, `onServerMessage (channel.test.ts:35) never matched`. */
export function ruleText(rule: RuleLine): string {
  const failed = rule.failure === undefined ? '' : `, failed: ${rule.failure}`
  return `${rule.label} ${deeds(rule)}${failed}`
}

function deeds({ matched, acted, shadowedBy }: RuleLine): string {
  if (matched === 0) return 'never matched'
  if (acted > 0) return `acted ${times(acted)}${matched > acted ? ` of ${count(matched, 'match').replace('matchs', 'matches')}` : ''}`
  const shadow = shadowedBy === undefined ? '' : `, shadowed by ${shadowedBy}`
  return `matched ${times(matched)} but never acted${shadow}`
}

/** `once`, `twice`, `7 times`. */
export function times(number: number): string {
  return number === 1 ? 'once' : number === 2 ? 'twice' : `${number} times`
}
