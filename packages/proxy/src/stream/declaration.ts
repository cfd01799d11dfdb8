import type { Codec } from '../codec.ts'
import { MidwireError } from '../errors.ts'
import type { Side } from '../side.ts'
import type { Framing, FramingName } from './framing.ts'
import type { Packing } from './packing.ts'
import { pathPattern } from './path-pattern.ts'

/** The request that began an exchange, as the client meant it. */
export interface StreamRequest {
  readonly method: string
  readonly host: string
  readonly url: string
  readonly path: string
  readonly query: Readonly<Record<string, string | string[]>>
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
}

/** Which HTTP exchanges carry messages, and how these lie in their bodies. */
export interface StreamDeclaration<T = unknown> {
  /** Host name, without the port. @default every host */
  readonly host?: string | RegExp
  /** The path, without its query: `*` stands for anything, `:name` for one segment; or what a RegExp finds something in. */
  readonly path: string | RegExp
  /** @default every method */
  readonly method?: string | readonly string[]
  /**
   * How payloads lie in the body of a response: 'sse' (the data of each event), 'lines', 'body' (one payload), or one of your own. A request
   * has one payload, or lines where its content type says so.
   *
   * @default by content type: text/event-stream → 'sse'; application/x-ndjson and its like → 'lines'; else 'body'
   */
  readonly framing?: FramingName | Framing
  /** How several messages lie in one payload: `jsonArray()`, `separated('\x1e')`, or one of your own. @default one message a payload */
  readonly packing?: Packing
  /** Decodes each message. @default the proxy's codec */
  readonly codec?: Codec<T>
  /**
   * What the exchanges of one connection have in common: the name of a `:name` in the path or of a query parameter, or a function. Where
   * a request has none it opens a connection, which the first request joins whose key that connection's server has told the client.
   *
   * @default every exchange is a connection of its own
   */
  readonly connectionKey?: string | ((request: StreamRequest) => string | undefined)
  /** False for a request whose response carries no messages, such as a POST that is only confirmed. @default true */
  answers?(request: StreamRequest): boolean
  /** True for a message after which its connection carries no more. @default none: it ends with its only exchange, or with the test */
  endsAfter?(value: T, from: Side): boolean
}

const known = new Set<string>([
  'host',
  'path',
  'method',
  'framing',
  'packing',
  'codec',
  'connectionKey',
  'answers',
  'endsAfter',
] satisfies (keyof StreamDeclaration)[])

/** A declaration that was checked, with its codec. */
export interface ResolvedStream {
  readonly declaration: StreamDeclaration
  readonly codec: Codec<unknown>
  matches(request: StreamRequest): boolean
  /** What tells its connection from others; `undefined` for one that opens a connection, or is one. */
  keyOf(request: StreamRequest): string | undefined
}

/** @throws MidwireError MIDWIRE_BAD_INPUT on a declaration that cannot be meant, naming what would have been right */
export function resolveStream(declaration: StreamDeclaration, codec: Codec<unknown>, what: string): ResolvedStream {
  const fault = checkStream(declaration)
  if (fault !== undefined) throw new MidwireError('MIDWIRE_BAD_INPUT', `${what}${fault}`)
  const { host, path, method, connectionKey } = declaration
  const methods = method === undefined ? undefined : [method].flat().map(name => name.toUpperCase())
  const find = pathPattern(path)
  return {
    declaration,
    codec: declaration.codec ?? codec,
    matches: request =>
      (host === undefined || (typeof host === 'string' ? host.toLowerCase() === request.host.toLowerCase() : test(host, request.host))) &&
      (methods === undefined || methods.includes(request.method)) &&
      find(request.path) !== undefined,
    keyOf: request => {
      if (connectionKey === undefined) return undefined
      if (typeof connectionKey === 'function') return connectionKey(request)
      return find(request.path)?.[connectionKey] ?? [request.query[connectionKey] ?? []].flat()[0]
    },
  }
}

function test(pattern: RegExp, text: string): boolean {
  // One with the flag g or y would remember where it was.
  return new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, '')).test(text)
}

/** What is wrong with a declaration, to stand behind its place; `undefined` for one that can be meant. */
export function checkStream(declaration: unknown): string | undefined {
  if (typeof declaration !== 'object' || declaration === null) return `: expected { path, … }, got ${String(declaration)}`
  const stray = Object.keys(declaration).find(key => !known.has(key))
  if (stray !== undefined) return `: unknown key ${JSON.stringify(stray)} — expected one of ${[...known].join(', ')}`
  const { host, path, method, framing, packing, codec, connectionKey, answers, endsAfter } = declaration as Record<
    keyof StreamDeclaration,
    unknown
  >
  if (!(path instanceof RegExp) && !(typeof path === 'string' && path.startsWith('/')))
    return ` { path }: expected a path that begins with '/', such as '/comet/*', or a RegExp, got ${JSON.stringify(path)}`
  if (host !== undefined && !(host instanceof RegExp) && !(typeof host === 'string' && host !== '' && !/[/:@\s]/.test(host)))
    return ` { host }: expected a host name without a port, or a RegExp, got ${JSON.stringify(host)}`
  const badMethod = method === undefined ? undefined : [method].flat().find(name => typeof name !== 'string' || !/^[A-Za-z-]+$/.test(name))
  if (badMethod !== undefined) return ` { method }: expected a name such as 'GET', got ${JSON.stringify(badMethod)}`
  if (framing !== undefined && !['sse', 'lines', 'body'].includes(String(framing)) && !has(framing, 'reader', 'write'))
    return ` { framing }: expected 'sse', 'lines', 'body' or { name, reader, write }, got ${JSON.stringify(framing)}`
  if (packing !== undefined && !has(packing, 'split', 'join'))
    return ` { packing }: expected jsonArray(), separated('…') or { name, split, join }, got ${JSON.stringify(packing)}`
  if (codec !== undefined && !has(codec, 'decode', 'encode')) return ` { codec }: expected { name, decode, encode }, got ${typeof codec}`
  if (connectionKey !== undefined && typeof connectionKey !== 'string' && typeof connectionKey !== 'function')
    return ` { connectionKey }: expected a name in the path or the query, or a function, got ${typeof connectionKey}`
  if (answers !== undefined && typeof answers !== 'function') return ` { answers }: expected a function of a request, got ${typeof answers}`
  if (endsAfter !== undefined && typeof endsAfter !== 'function')
    return ` { endsAfter }: expected a function of a message, got ${typeof endsAfter}`
  return undefined
}

function has(value: unknown, ...methods: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false
  return methods.every(name => typeof Reflect.get(value, name) === 'function')
}
