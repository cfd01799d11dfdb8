/** A value that nobody else has. Buffers stay Buffers, which `structuredClone` would not do; what it copies, is copied as it does. */
export function copyValue<T>(value: T): T {
  return copy(value, new Map()) as T
}

function copy(value: unknown, known: Map<object, unknown>): unknown {
  if (typeof value !== 'object' || value === null) return value
  const before = known.get(value)
  if (before !== undefined) return before
  if (Buffer.isBuffer(value)) return remembered(value, Buffer.from(value), known)
  if (Array.isArray(value)) {
    const items: unknown[] = remembered(value, [], known)
    for (const item of value) items.push(copy(item, known))
    return items
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return remembered(value, structuredClone(value), known)
  const fields: object = remembered(value, Object.create(prototype), known)
  for (const key of Object.keys(value)) {
    // As data, also where the key is __proto__.
    const own = copy(Reflect.get(value, key), known)
    Object.defineProperty(fields, key, { value: own, writable: true, enumerable: true, configurable: true })
  }
  return fields
}

function remembered<C>(original: object, made: C, known: Map<object, unknown>): C {
  known.set(original, made)
  return made
}
