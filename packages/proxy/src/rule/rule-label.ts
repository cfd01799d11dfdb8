import type { Rule } from './rule.ts'

/** A rule in one phrase for people: `"lose first attach" (channel.test.ts:33)`, or `onServerMessage (channel.test.ts:35)`. */
export function ruleLabel({ name, start, at }: Pick<Rule, 'name' | 'start' | 'at'>): string {
  const file = at.file.slice(Math.max(at.file.lastIndexOf('/'), at.file.lastIndexOf('\\')) + 1)
  return `${name === undefined ? start : JSON.stringify(name)} (${file}:${at.line})`
}
