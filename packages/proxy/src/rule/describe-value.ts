import { isDate } from 'node:util/types'
const maxLength = 120

/** A value in one short line for people: `{ action: "ATTACH", channel: "a" }`. */
export function describeValue(value: unknown): string {
  const text = describe(value, 0)
  return text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text
}

function describe(value: unknown, depth: number): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  if (typeof value === 'function') return value.name === '' ? 'a function' : `function ${value.name}`
  if (typeof value !== 'object' || value === null) return String(value)
  if (value instanceof RegExp) return value.toString()
  if (isDate(value)) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (ArrayBuffer.isView(value)) return describeBytes(value)
  if ('asymmetricMatch' in value) return describeMatcher(value)
  if (depth > 3) return '…'
  if (Array.isArray(value))
    return `[${value
      .slice(0, 12)
      .map(item => describe(item, depth + 1))
      .join(', ')}${value.length > 12 ? ', …' : ''}]`
  const entries = Object.entries(value).slice(0, 12)
  if (entries.length === 0) return '{}'
  return `{ ${entries.map(([key, item]) => `${/^[\w$]+$/.test(key) ? key : JSON.stringify(key)}: ${describe(item, depth + 1)}`).join(', ')} }`
}

/** `5 bytes "hello"`: with what they say, where that is short and plain. */
function describeBytes({ buffer, byteOffset, byteLength }: ArrayBufferView): string {
  const text = byteLength > 0 && byteLength <= 40 ? Buffer.from(buffer, byteOffset, byteLength).toString('latin1') : ''
  const words = /^[\x20-\x7e]+$/.test(text) ? ` ${JSON.stringify(text)}` : ''
  return `${byteLength} ${byteLength === 1 ? 'byte' : 'bytes'}${words}`
}

/** vitest's matchers name themselves: `Any<String>`, `StringContaining "a"`. */
function describeMatcher(matcher: object): string {
  if ('toAsymmetricMatcher' in matcher && typeof matcher.toAsymmetricMatcher === 'function') return String(matcher.toAsymmetricMatcher())
  return matcher.toString === Object.prototype.toString ? 'an asymmetric matcher' : String(matcher)
}
