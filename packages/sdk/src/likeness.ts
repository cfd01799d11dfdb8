import { isSubset } from '@midwire/proxy'

/** How much of a partial match is true of a value, from 0 to 1: which message came closest. */
export function likeness(value: unknown, match: unknown): number {
  const { right, all } = compare(value, match)
  return all === 0 ? 0 : right / all
}

function compare(value: unknown, match: unknown): { right: number; all: number } {
  if (!hasParts(match)) return { right: isSubset(value, match) ? 1 : 0, all: 1 }
  let right = 0
  let all = 0
  for (const [key, part] of Object.entries(match)) {
    const found = typeof value === 'object' && value !== null ? compare(Reflect.get(value, key), part) : { right: 0, all: 1 }
    right += found.right
    all += found.all
  }
  return { right, all }
}

/** True for a match that is compared key by key. */
export function hasParts(match: unknown): match is object {
  if (typeof match !== 'object' || match === null || 'asymmetricMatch' in match) return false
  const prototype: unknown = Object.getPrototypeOf(match)
  return Array.isArray(match) || prototype === null || prototype === Object.prototype
}
