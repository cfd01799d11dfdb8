/** What goes between a page and the proxy that serves it: JSON, in which an object with a `$` stands for what JSON has no word for. */
export type WireValue = null | boolean | number | string | readonly WireValue[] | { readonly [key: string]: WireValue }

/** An error, as far as it can be shown elsewhere. */
export interface WireError {
  readonly name: string
  readonly message: string
  readonly stack: string
  readonly code?: string
  readonly errors?: readonly WireError[]
}

/** An object that stays where it is, with the names of what it has; a symbol's name begins with `@@`. */
export interface RemoteShape {
  readonly id: number
  readonly values: readonly string[]
  readonly methods: readonly string[]
}

/** From the page. Each is answered by a `WireReply`. */
export type WireRequest =
  /** A page that knows of nothing yet. */
  | { readonly kind: 'begin' }
  | ({
      readonly kind: 'call'
      readonly of: number
      readonly name: string
      readonly args: readonly WireValue[]
      /** Of the call, as the browser printed it. */
      readonly stack: string
    } & WireCircumstances)
  | ({ readonly kind: 'get'; readonly of: number; readonly name: string } & WireCircumstances)
  | ({ readonly kind: 'answer'; readonly question: number } & WireOutcome)
  /** The code of the page that has called has come to its end. */
  | { readonly kind: 'turn' }

export interface WireCircumstances {
  /** ms until the test or hook that runs is given up; `null`: never. */
  readonly left: number | null
  /** The question whose answer is being found; `null`: none. */
  readonly during: number | null
}

export type WireOutcome = { readonly value: WireValue } | { readonly error: WireError }

/** A function of the page that is called from outside. */
export interface WireQuestion {
  readonly kind: 'question'
  readonly question: number
  readonly fn: number
  readonly args: readonly WireValue[]
}

export type WireReply = ({ readonly kind: 'return' } & WireOutcome) | WireQuestion | { readonly kind: 'taken' }

/** What the page is told without having asked. */
export type WireNews = WireQuestion | ({ readonly kind: 'settled'; readonly promise: number } & WireOutcome)

/** The host name under which a page reaches its proxy's own side; never looked up (RFC 6761 §6.3). */
export const bridgeHost = 'midwire.localhost'

export function toWireError(thrown: unknown): WireError {
  if (!isErrorLike(thrown)) return { name: 'Error', message: `${String(thrown)} was thrown, which is no Error`, stack: '' }
  const { name, message, stack = '', code, errors } = thrown
  return {
    name,
    message,
    stack,
    ...(typeof code === 'string' && { code }),
    ...(Array.isArray(errors) && { errors: errors.map(toWireError) }),
  }
}

interface ErrorLike {
  readonly name: string
  readonly message: string
  readonly stack?: string
  readonly code?: unknown
  readonly errors?: unknown
}

function isErrorLike(thrown: unknown): thrown is ErrorLike {
  return typeof thrown === 'object' && thrown !== null && 'message' in thrown && 'name' in thrown
}

/** The error again; `here`: the stack of the call that it answers, where its own frames say nothing to the receiver. */
export function fromWireError({ name, message, stack, code, errors }: WireError, here?: string): Error {
  const error = errors
    ? new AggregateError(
        errors.map(each => fromWireError(each, here)),
        message,
      )
    : new Error(message)
  error.name = name
  if (code !== undefined) Object.assign(error, { code })
  const frames = /\n\s+at .*https?:\/\//.test(stack) ? stack.slice(stack.search(/\n\s+at /)) : (here ?? '')
  error.stack = `${name}: ${message}${frames}`
  return error
}

/** How one side writes down what only it knows, and reads what the other wrote. */
export interface WireCoder {
  /** For functions and for objects that are more than their fields; `undefined` for what cannot go over. */
  encode(value: object): WireValue | undefined
  decode(tag: string, value: { readonly [key: string]: WireValue }): unknown
}

/** @throws TypeError on what cannot go over */
export function encode(value: unknown, coder: WireCoder): WireValue {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value
    case 'number':
      return Number.isFinite(value) && !Object.is(value, -0) ? value : { $: 'number', text: Object.is(value, -0) ? '-0' : String(value) }
    case 'undefined':
      return { $: 'undefined' }
    case 'bigint':
      return { $: 'bigint', text: String(value) }
    case 'symbol':
      throw new TypeError('a symbol cannot leave its realm')
    case 'function':
    case 'object':
      return value === null ? null : encodeObject(value, coder)
  }
}

function encodeObject(value: object, coder: WireCoder): WireValue {
  const own = coder.encode(value)
  if (own !== undefined) return own
  if (Array.isArray(value)) return value.map(item => encode(item, coder))
  if (value instanceof Uint8Array) return { $: 'bytes', base64: toBase64(value) }
  if (value instanceof ArrayBuffer) return { $: 'bytes', base64: toBase64(new Uint8Array(value)) }
  if (value instanceof Date) return { $: 'date', at: value.getTime() }
  if (value instanceof RegExp) return { $: 'regexp', source: value.source, flags: value.flags }
  if (value instanceof Map) return { $: 'map', entries: encode([...value], coder) }
  if (value instanceof Set) return { $: 'set', items: encode([...value], coder) }
  if (value instanceof Error) return { $: 'error', error: toWireError(value) as unknown as WireValue }
  if (!isPlain(value)) throw new TypeError(`${value.constructor?.name ?? 'an object of a class'} cannot leave its realm`)
  const fields = Object.fromEntries(Object.entries(value).map(([key, field]) => [key, encode(field, coder)]))
  return '$' in fields ? { $: 'object', fields } : fields
}

export function decode(value: WireValue, coder: WireCoder): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item: WireValue) => decode(item, coder))
  const fields = value as { readonly [key: string]: WireValue }
  const tag = fields['$']
  if (tag === undefined) return decodeFields(fields, coder)
  switch (String(tag)) {
    case 'object':
      return decodeFields(fields['fields'] as { readonly [key: string]: WireValue }, coder)
    case 'undefined':
      return undefined
    case 'number':
      return Number(fields['text'])
    case 'bigint':
      return BigInt(String(fields['text']))
    case 'bytes':
      return fromBase64(String(fields['base64']))
    case 'date':
      return new Date(Number(fields['at'] ?? Number.NaN))
    case 'regexp':
      return new RegExp(String(fields['source']), String(fields['flags']))
    case 'map':
      return new Map(decode(fields['entries'] ?? [], coder) as [unknown, unknown][])
    case 'set':
      return new Set(decode(fields['items'] ?? [], coder) as unknown[])
    case 'error':
      return fromWireError(fields['error'] as unknown as WireError)
    default:
      return coder.decode(String(tag), fields)
  }
}

function decodeFields(fields: { readonly [key: string]: WireValue }, coder: WireCoder): object {
  return Object.fromEntries(Object.entries(fields).map(([key, field]) => [key, decode(field, coder)]))
}

/** True for what is no more than its fields. */
export function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype || Object.getPrototypeOf(prototype) === null
}

function toBase64(bytes: Uint8Array): string {
  let text = ''
  for (let at = 0; at < bytes.length; at += 0x2000) text += String.fromCharCode(...bytes.subarray(at, at + 0x2000))
  return btoa(text)
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), character => character.charCodeAt(0))
}
