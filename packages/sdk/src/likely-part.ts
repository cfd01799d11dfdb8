import { isSubset } from '@midwire/proxy'
import { hasParts } from './likeness.ts'

/**
 * What a diff should show of a value beside a partial match: only the keys that the match has, and the match itself where it is met, so
 * that nothing differs but what is wrong.
 */
export function likelyPart(value: unknown, match: unknown): unknown {
  if (isSubset(value, match)) return match
  if (!hasParts(match) || typeof value !== 'object' || value === null) return value
  if (Array.isArray(match)) return Array.isArray(value) ? value.map((item, index) => likelyPart(item, match[index])) : value
  const part: Record<string, unknown> = {}
  for (const [key, expected] of Object.entries(match)) {
    if (key in value) part[key] = likelyPart(Reflect.get(value, key), expected)
  }
  return part
}
