import type { SourceLine } from '@midwire/proxy'

/** A wait, as far as its likeness to another can be told. */
interface Like {
  readonly what: string
  readonly match: unknown
}

/** The waits of one scope that gave neither `nth` nor `after`: a second identical one would return the same message again. */
export class IdenticalWaits {
  readonly #seen = new Map<object, { readonly like: Like; readonly at: SourceLine }>()

  /** The place of an earlier wait that is the same, if one is pending or was met; otherwise notes this one under `ticket`. */
  enter(ticket: object, what: string, match: unknown, at: SourceLine): SourceLine | undefined {
    for (const seen of this.#seen.values()) if (seen.like.what === what && isSameMatch(seen.like.match, match)) return seen.at
    this.#seen.set(ticket, { like: { what, match }, at })
    return undefined
  }

  /** The wait was not met: the next one like it is a new try. */
  forget(ticket: object): void {
    this.#seen.delete(ticket)
  }
}

/** True only where it can be told: the same structure, the same function, or the same source that uses nothing from outside. */
export function isSameMatch(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true
  if (typeof a === 'function' && typeof b === 'function') return a.toString() === b.toString() && isSelfContained(a.toString())
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (a.constructor !== b.constructor) return false
  if (a instanceof RegExp || a instanceof Date) return String(a) === String(b)
  const keys = Object.keys(a)
  // What keeps all that it is to itself, a URLPattern say, cannot be told from another.
  if (keys.length === 0 && !Array.isArray(a) && a.constructor !== Object) return false
  return keys.length === Object.keys(b).length && keys.every(key => key in b && isSameMatch(Reflect.get(a, key), Reflect.get(b, key)))
}

const words = new Set(
  `true false null undefined this typeof instanceof in of new return const let var if else for while do switch case default break continue
  throw try catch finally function async await void delete yield class extends super NaN Infinity String Number Boolean BigInt Symbol
  Object Array Math JSON RegExp Date Set Map Uint8Array Buffer parseInt parseFloat isNaN isFinite`.split(/\s+/),
)

/** True if a function's source names nothing but its own parameters and variables, and the language's own. */
export function isSelfContained(source: string): boolean {
  // Expressions hide in templates and in defaults of parameters; telling them apart is not worth it.
  const end = source.includes('=>') ? source.indexOf('=>') : source.indexOf('{')
  if (source.includes('`') || source.slice(0, end).includes('=')) return false
  const code = source
    .replace(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g, '""')
    .replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, ' ')
    .replace(/([(,=:[!&|?{};]\s*)\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/g, '$1""')
  const own = new Set<string>(code.slice(0, end).match(identifier))
  for (const [, name = ''] of code.matchAll(/\b(?:const|let|var|function)\s+([A-Za-z_$][\w$]*)/g)) own.add(name)
  for (const [, parameters = ''] of code.matchAll(/([A-Za-z_$][\w$]*|\([^()]*\))\s*=>/g))
    for (const name of parameters.match(identifier) ?? []) own.add(name)
  return (code.match(freeIdentifier) ?? []).every(name => own.has(name) || words.has(name))
}

const identifier = /[A-Za-z_$][\w$]*/g
/** Neither a member (`.name`) nor the key of an object (`name:`, which `a ? name : b` is not). */
const freeIdentifier = /(?<![\w$]|(?<!\.\.)\.\s*)[A-Za-z_$][\w$]*(?![\w$]*\s*:)|(?<=\?\s*)[A-Za-z_$][\w$]*(?=\s*:)/g
