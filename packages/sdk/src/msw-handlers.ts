import { randomUUID } from 'node:crypto'
import type { Match, OwnResponse, RequestAnswer, RequestFacts } from '@midwire/proxy'
import { badInput } from './bad-input.ts'

/** A handler of msw 3, as `http.get(…)`, `graphql.query(…)` and `sse(…)` make them; the package itself is never loaded. */
export interface MswRequestHandler {
  readonly kind: 'request'
  readonly info: object
  run(args: { request: Request; requestId: string }): Promise<{ readonly response?: Response | undefined } | null>
  reset?(): void
  dispose?(): void | PromiseLike<void>
}

/** @throws MidwireError MIDWIRE_BAD_INPUT unless they are handlers of msw 3 for requests */
export function checkHandlers(handlers: readonly unknown[]): asserts handlers is readonly MswRequestHandler[] {
  if (handlers.length === 0) throw badInput('use(...handlers): expected handlers of msw, such as http.get(url, resolver), got none')
  for (const handler of handlers) {
    if (Array.isArray(handler)) throw badInput('use(...handlers): expected handlers of msw, got a list; spread it: use(...handlers)')
    if (typeof handler !== 'object' || handler === null) {
      throw badInput(`use(...handlers): expected handlers of msw, got ${handler === null ? 'null' : typeof handler}`)
    }
    if ('kind' in handler && handler.kind === 'websocket') {
      throw badInput(
        'use(...handlers): a ws handler answers no request; use onConnect(match).accept() with reply(), which do the same on the wire',
      )
    }
    if (!('kind' in handler && handler.kind === 'request' && 'run' in handler && typeof handler.run === 'function')) {
      throw badInput('use(...handlers): expected handlers of msw 3 (http, graphql, sse), got another object')
    }
  }
}

/** Which requests the handlers could be about: the fewer are asked, the fewer bodies are copied. */
export function handlersMatch(handlers: readonly MswRequestHandler[]): Match<RequestFacts, RequestFacts> {
  const wanted = handlers.map(hints)
  const [first, ...more] = new Set(wanted.map(({ host }) => host))
  return {
    test: ({ method, host }) => wanted.some(one => one.isMethod(method) && (one.host === undefined || one.host === host)),
    text: handlers.map(headerOf).join(', '),
    ...(first !== undefined && more.length === 0 && { host: first }),
  }
}

/** What the handlers answer, asked in their order as msw asks them; what they let fall is asked of the next rule. */
export async function askHandlers(handlers: readonly MswRequestHandler[], request: Request): Promise<RequestAnswer> {
  const requestId = randomUUID()
  for (const handler of handlers) {
    const result = await handler.run({ request, requestId })
    if (result?.response) return answerOf(result.response)
  }
  return 'pass'
}

/** What msw makes of something that a resolver threw: a response as it is, a failed network for an error of Node's, or else a 500. */
export function thrownAnswer(thrown: unknown): RequestAnswer {
  if (thrown instanceof Response) return answerOf(thrown)
  if (thrown instanceof Error && 'code' in thrown && 'errno' in thrown) return 'error'
  const body = thrown instanceof Error ? { name: thrown.name, message: thrown.message, stack: thrown.stack } : thrown
  return {
    status: 500,
    statusText: 'Unhandled Exception',
    headers: ['Content-Type', 'application/json'],
    body: Buffer.from(JSON.stringify(body) ?? ''),
  }
}

/** True for a request made with msw's `bypass()`. */
export function isBypassed({ headers }: RequestFacts): boolean {
  return [headers['accept'] ?? []].flat().some(value => value.includes(bypassMark))
}

/** An Accept header without the mark that `bypass()` put on it. */
export function withoutBypass(accept: string | string[] | undefined): string | undefined {
  const rest = [accept ?? []]
    .flat()
    .flatMap(value => value.split(','))
    .map(value => value.trim())
    .filter(value => value !== bypassMark)
  return rest.length === 0 ? undefined : rest.join(', ')
}

const bypassMark = 'msw/passthrough'

function answerOf(response: Response): RequestAnswer {
  if (response.type === 'error') return 'error'
  // As `passthrough()` makes it.
  if (response.status === 302 && response.headers.get('x-msw-intention') === 'passthrough') return 'passthrough'
  const own: OwnResponse = {
    status: response.status,
    statusText: response.statusText,
    headers: [...response.headers].flat(),
    body: response.body ?? new Uint8Array(0),
  }
  return own
}

interface Hints {
  readonly host: string | undefined
  isMethod(method: string): boolean
}

/** What a handler says of the requests that it is about, where it is plain to see. */
function hints({ info }: MswRequestHandler): Hints {
  const method: unknown = 'method' in info ? info.method : undefined
  const path: unknown = 'path' in info ? info.path : undefined
  return {
    host: typeof path === 'string' ? /^https?:\/\/([\w.-]+)(?::\d+)?(?:[/?]|$)/.exec(path)?.[1]?.toLowerCase() : undefined,
    isMethod: asked =>
      typeof method === 'string' ? method.toLowerCase() === asked.toLowerCase() : !(method instanceof RegExp) || method.test(asked),
  }
}

function headerOf({ info }: MswRequestHandler): string {
  return 'header' in info ? String(info.header) : 'a handler'
}
