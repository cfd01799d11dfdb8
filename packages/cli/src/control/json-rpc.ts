/** The codes of JSON-RPC 2.0 §5.1, and two of our own in the range that it leaves to servers. */
export const rpcCode = {
  parse: -32700,
  invalidRequest: -32600,
  unknownMethod: -32601,
  invalidParams: -32602,
  internal: -32603,
  /** What was asked for cannot be had now: no session, one too many, a connection that is closed. */
  refused: -32000,
  /** A wait was not met, or an absence was broken. */
  unmet: -32001,
} as const

/** What a method answers instead of a result. */
export class RpcError extends Error {
  readonly code: number
  readonly data: unknown

  constructor(code: number, message: string, data?: unknown) {
    super(message)
    this.name = 'RpcError'
    this.code = code
    this.data = data
  }
}

/** JSON-RPC 2.0 §4: "a String, Number, or NULL value". */
export type RpcID = string | number | null

/** One JSON-RPC 2.0 object, as it came. */
export type Incoming =
  | { readonly kind: 'request'; readonly id: RpcID; readonly method: string; readonly params: unknown }
  | { readonly kind: 'notification'; readonly method: string; readonly params: unknown }
  | { readonly kind: 'result'; readonly id: RpcID; readonly result: unknown }
  | { readonly kind: 'error'; readonly id: RpcID; readonly text: string }
  | { readonly kind: 'invalid'; readonly id: RpcID; readonly why: string }

/** Tells what an object is by its members (JSON-RPC 2.0 §4, §5). */
export function readIncoming(value: unknown): Incoming {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { kind: 'invalid', id: null, why: `expected an object such as { "jsonrpc": "2.0", "id": 1, "method": "…" }` }
  const { jsonrpc, method, params, result, error } = value as Readonly<Record<string, unknown>>
  const hasID = 'id' in value
  const id = hasID && isID(value.id) ? value.id : null
  if (jsonrpc !== '2.0') return { kind: 'invalid', id, why: `jsonrpc: expected "2.0", got ${JSON.stringify(jsonrpc)}` }
  if (hasID && !isID(value.id)) return { kind: 'invalid', id, why: `id: expected a string, a number or null, got ${typeof value.id}` }
  if (typeof method === 'string') return hasID ? { kind: 'request', id, method, params } : { kind: 'notification', method, params }
  if (method !== undefined) return { kind: 'invalid', id, why: `method: expected a string, got ${typeof method}` }
  if (hasID && 'error' in value) return { kind: 'error', id, text: errorText(error) }
  if (hasID && 'result' in value) return { kind: 'result', id, result }
  return { kind: 'invalid', id, why: 'expected a method, a result or an error' }
}

function isID(value: unknown): value is RpcID {
  return typeof value === 'string' || typeof value === 'number' || value === null
}

function errorText(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'message' in error && typeof error.message === 'string') return error.message
  return JSON.stringify(error)
}
