import { types } from 'node:util'

/** All that a program can tell one error from another by, but for its stack. */
export function describeError(error: unknown): unknown {
  if (typeof error !== 'object' || error === null) return error
  if (!types.isNativeError(error))
    return { type: error.constructor.name, error: describeError(Reflect.get(error, 'error')), message: Reflect.get(error, 'message') }
  const described: Record<string, unknown> = { type: error.constructor.name, name: error.name, message: error.message }
  for (const key of Object.getOwnPropertyNames(error)) {
    if (key === 'stack' || key === 'socket') continue
    const value: unknown = Reflect.get(error, key)
    if (key === 'errors' && Array.isArray(value)) described[key] = value.map(describeError)
    else if (key === 'cause') described[key] = describeError(value)
    else if (key === 'cert') described[key] = Reflect.get(value as object, 'fingerprint256')
    else described[key] = value
  }
  return described
}
