/**
 * Merges `patch` into `value`, objects deeply, all else as a whole; a key that is `undefined` in the patch goes.
 *
 * @throws TypeError if `patch` is an object and `value` is none
 */
export function mergePatch(value: unknown, patch: unknown): unknown {
  if (!isPlain(patch)) return patch
  if (!isPlain(value)) {
    throw new TypeError(`patch(partial): expected an object to merge { ${Object.keys(patch).join(', ')} } into, got ${nameOf(value)}`)
  }
  for (const [key, next] of Object.entries(patch)) {
    if (next === undefined) delete value[key]
    else if (isPlain(next) && Object.hasOwn(value, key) && isPlain(value[key])) mergePatch(value[key], next)
    // `__proto__` is a key like any other in JSON; assigning it would not make it one.
    else Object.defineProperty(value, key, { value: structuredClone(next), writable: true, enumerable: true, configurable: true })
  }
  return value
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? (value.constructor?.name ?? 'an object') : typeof value
}
