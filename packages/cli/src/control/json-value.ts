import { rpcCode, RpcError } from './json-rpc.ts'

/** What JSON has no word for is said by an object with one of these keys. */
const words = ['$regex', '$base64', '$any'] as const
const types = ['string', 'number', 'boolean', 'object', 'array'] as const

/**
 * Values of rules and matches from their JSON: `{ "$regex": "^a", "$flags": "i" }`, `{ "$base64": "AAE=" }` for bytes, and
 * `{ "$any": "string" }` for a value of that type; all else stands for itself.
 *
 * @throws RpcError on what cannot be meant
 */
export function fromJson(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(fromJson)
  const word = words.find(key => key in value)
  if (word !== undefined) return special(word, value as Readonly<Record<string, unknown>>)
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, fromJson(part)]))
}

/** The JSON of a value that a codec made. */
export function toJson(value: unknown): unknown {
  if (value instanceof Uint8Array) return { $base64: Buffer.from(value).toString('base64') }
  if (typeof value === 'bigint') return String(value)
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, part]) => [String(key), toJson(part)]))
  if (value instanceof Set) return [...value].map(toJson)
  if (Array.isArray(value)) return value.map(toJson)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, toJson(part)]))
}

function special(word: (typeof words)[number], value: Readonly<Record<string, unknown>>): unknown {
  const text = value[word]
  if (typeof text !== 'string') throw wrong(`${word}: expected a string, got ${typeof text}`)
  switch (word) {
    case '$regex': {
      const flags = value['$flags'] ?? ''
      try {
        return new RegExp(text, String(flags))
      } catch (error) {
        throw wrong(`$regex: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
    case '$base64':
      return bytesOf(text, '$base64')
    case '$any': {
      const type = types.find(known => known === text)
      if (type === undefined) throw wrong(`$any: expected ${types.map(known => `"${known}"`).join(', ')}, got "${text}"`)
      return { asymmetricMatch: (other: unknown) => typeName(other) === type, toAsymmetricMatcher: () => `any ${type}` }
    }
  }
}

/** @throws RpcError on what is no Base64 (RFC 4648 §4), naming `what` */
export function bytesOf(base64: string, what: string): Uint8Array {
  if (base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(base64))
    throw wrong(`${what}: expected Base64 (RFC 4648 §4), got ${JSON.stringify(base64.slice(0, 40))}`)
  return Buffer.from(base64, 'base64')
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

function wrong(text: string): RpcError {
  return new RpcError(rpcCode.invalidParams, text)
}
