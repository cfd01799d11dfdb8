import type { Rule } from './rule.ts'

/**
 * A rule in one phrase for people: `"lose first attach" (channel.test.ts:33)`, or `onServerMessage (channel.test.ts:35)`. One that was
 * declared from outside of this process has no line.
 */
export function ruleLabel({ name, start, at }: Pick<Rule, 'name' | 'start' | 'at'>): string {
  const what = name === undefined ? start : JSON.stringify(name)
  if (at.line === 0) return what
  const file = at.file.slice(Math.max(at.file.lastIndexOf('/'), at.file.lastIndexOf('\\')) + 1)
  return `${what} (${file}:${at.line})`
}
