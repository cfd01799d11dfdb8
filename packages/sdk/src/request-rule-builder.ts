import { MidwireError } from '@midwire/proxy'
import type { EditableRequest, EditableResponse, FaultPoint, RequestAction, RequestFacts, RequestRule, Side } from '@midwire/proxy'
import { badInput, checkChoice, checkFunction, checkKeys, checkMs } from './bad-input.ts'
import { ownResponse } from './own-response.ts'
import type { ResponseHeaders } from './own-response.ts'
import { mentionsBody } from './request-match.ts'
import type { RequestRuleMatch } from './request-match.ts'
import { requestPatch, responsePatch } from './request-patch.ts'
import type { RequestPatch, ResponsePatch } from './request-patch.ts'
import { RequestHoldHandle, RequestRuleHandle } from './request-rule-handle.ts'
import type { RuleDesk } from './rule-desk.ts'
import { RuleBuilder, ruleParts } from './rule-draft.ts'
import type { Draft } from './rule-draft.ts'

/** Which of the two heads of an exchange waits. */
export interface AtResponse {
  /** The response waits, and not the request: upstream has got that. @default false */
  readonly response?: boolean
}

/** Where an exchange ends, and for whom. */
export interface FaultOptions {
  /** @default 'beforeRequest': upstream gets nothing */
  readonly at?: FaultPoint
  /** @default 'both' */
  readonly to?: Side | 'both'
}

/** A rule on HTTP requests, on its way to its verb. */
export class RequestRuleBuilder<T> extends RuleBuilder<RequestRuleBuilder<T>, T> {
  readonly #subject: RequestRuleMatch

  constructor(desk: RuleDesk, subject: RequestRuleMatch, draft: Draft) {
    super(desk, draft)
    this.#subject = subject
  }

  protected override derive(draft: Draft): RequestRuleBuilder<T> {
    return new RequestRuleBuilder(this.desk, this.#subject, draft)
  }

  /** @throws MidwireError always: a request belongs to no WebSocket */
  override on(): never {
    throw badInput(
      'on(connection): an HTTP request belongs to no WebSocket; match on its host, path, query or headers, or use proxy.client()',
    )
  }

  /** Calls `fn` for every match; never decides. What it throws fails the test. */
  observe(fn: (request: RequestFacts) => unknown): RequestRuleHandle {
    checkFunction(fn, 'observe(fn)')
    return this.#watch(fn, mentionsBody(fn))
  }

  /**
   * Answers with this response; upstream never sees the request.
   *
   * @param body text, bytes, a stream of bytes, or a value that is sent as JSON with its content type
   * @param trailers what stands behind the body (RFC 9110 §6.5): where gRPC has its status
   * @throws MidwireError unless the status is one that ends an exchange (200 to 599)
   */
  respondWith(status: number, body?: unknown, headers?: ResponseHeaders, trailers?: ResponseHeaders): RequestRuleHandle {
    this.#checkStream('respondWith', body)
    return this.#register({ kind: 'respondWith', response: ownResponse('respondWith', status, body, headers, trailers) })
  }

  /**
   * Upstream gets the request and answers it; the client gets this response in its stead: what was stored looks as if it had failed.
   *
   * @param body text, bytes, a stream of bytes, or a value that is sent as JSON with its content type
   * @param trailers what stands behind the body (RFC 9110 §6.5): where gRPC has its status
   * @throws MidwireError unless the status is one that ends an exchange (200 to 599)
   */
  forwardThen(status: number, body?: unknown, headers?: ResponseHeaders, trailers?: ResponseHeaders): RequestRuleHandle {
    this.#checkStream('forwardThen', body)
    return this.#register({ kind: 'forwardThen', response: ownResponse('forwardThen', status, body, headers, trailers) })
  }

  /** Changes the request before upstream sees it; what is left alone leaves as it came. */
  patchRequest(change: RequestPatch | ((request: EditableRequest) => unknown)): RequestRuleHandle {
    return this.#register({ kind: 'patchRequest', fn: typeof change === 'function' ? change : requestPatch(change) })
  }

  /** Changes the response before the client sees it; what is left alone leaves as it came. */
  patchResponse(change: ResponsePatch | ((response: EditableResponse, request: RequestFacts) => unknown)): RequestRuleHandle {
    const isFunction = typeof change === 'function'
    return this.#register({ kind: 'patchResponse', fn: isFunction ? change : responsePatch(change) }, isFunction && readsSecondBody(change))
  }

  /** The request, or else the response, goes no further until the handle lets it go, the rule is disposed or the test ends. */
  hold(options?: AtResponse): RequestHoldHandle {
    return new RequestHoldHandle(this.desk, this.#rule({ kind: 'hold', at: placeOf(options, 'hold(options)') }), this.draft.until)
  }

  /** The request, or else the response, goes on `ms` after it arrived. @throws MidwireError unless 0 or more */
  delay(ms: number, options?: AtResponse): RequestRuleHandle {
    checkMs(ms, 'delay(ms)')
    return this.#register({ kind: 'delay', ms, at: placeOf(options, 'delay(ms, options)') })
  }

  /** Ends the exchange with RST; for HTTP/2, with RST_STREAM. */
  reset(options?: FaultOptions): RequestRuleHandle {
    return this.#fault('reset', options)
  }

  /** Ends the exchange with FIN, after what was written before. */
  end(options?: FaultOptions): RequestRuleHandle {
    return this.#fault('end', options)
  }

  /** From there on nothing passes any more, and nothing ends, until the client gives up or the test ends. */
  timeout(options?: Pick<FaultOptions, 'at'>): RequestRuleHandle {
    checkKeys(options, ['at'], 'timeout(options)')
    return this.#fault('stall', options)
  }

  /** The client gets the head of the response and so many bytes of its body, and then FIN. @throws MidwireError unless 0 or more */
  truncate(bytes: number): RequestRuleHandle {
    checkBytes(bytes, 'truncate(bytes)')
    return this.#register({ kind: 'fault', how: 'end', at: Object.freeze({ responseBytes: bytes }), to: 'both' })
  }

  /** Fails the test at the request, which still passes. Never decides. */
  forbid(reason?: string): RequestRuleHandle {
    if (reason !== undefined && (typeof reason !== 'string' || reason === '')) throw badInput('forbid(reason): expected a text')
    const why = reason === undefined ? '' : ` (${reason})`
    return this.#watch(({ method, url }) => {
      throw new MidwireError('MIDWIRE_FORBIDDEN', `forbidden request${why}: ${method} ${url}`)
    }, false)
  }

  #watch(fn: (request: RequestFacts) => unknown, needsBody: boolean): RequestRuleHandle {
    const rule: RequestRule = this.#rule({ kind: 'observe', fn: request => this.#show(rule, fn, request) }, needsBody)
    return new RequestRuleHandle(this.desk, rule, this.draft.until)
  }

  /** What it fails with fails the test of the request, though the rule may be that of a block around. */
  #show(rule: RequestRule, fn: (request: RequestFacts) => unknown, request: RequestFacts): void {
    try {
      const shown = fn(request)
      if (shown instanceof Promise) shown.catch((reason: unknown) => this.desk.failHere(rule, reason))
    } catch (error) {
      this.desk.failHere(rule, error)
    }
  }

  #fault(how: 'reset' | 'end' | 'stall', options: FaultOptions | undefined): RequestRuleHandle {
    const verb = how === 'stall' ? 'timeout' : how
    checkKeys(options, ['at', 'to'], `${verb}(options)`)
    const { at = 'beforeRequest', to = 'both' } = options ?? {}
    checkChoice(to, ['client', 'server', 'both'], `${verb}({ to })`)
    checkPoint(at, `${verb}({ at })`)
    return this.#register({ kind: 'fault', how, at: typeof at === 'string' ? at : Object.freeze({ ...at }), to })
  }

  #checkStream(verb: string, body: unknown): void {
    if (!(body instanceof ReadableStream) || this.draft.times === 1 || this.draft.nth !== undefined) return
    throw badInput(
      `${verb}(status, body): a stream can be read once; say once(), or use proxy.use() with a handler that makes one each time`,
    )
  }

  #register(action: RequestAction, needsBody: boolean = false): RequestRuleHandle {
    return new RequestRuleHandle(this.desk, this.#rule(action, needsBody), this.draft.until)
  }

  #rule(action: RequestAction, needsBody: boolean = false): RequestRule {
    const { from: _, ...rest } = ruleParts(this.draft)
    const origin = this.desk.declare(this.draft)
    const { match } = this.#subject
    return Object.freeze({
      on: 'request',
      ...rest,
      ...origin,
      match,
      needsBody: needsBody || this.#subject.needsBody,
      action: Object.freeze(action),
    })
  }
}

function placeOf(options: AtResponse | undefined, what: string): 'request' | 'response' {
  checkKeys(options, ['response'], what)
  if (options?.response !== undefined && typeof options.response !== 'boolean')
    throw badInput(`${what} { response }: expected true or false`)
  return options?.response ? 'response' : 'request'
}

const points: readonly string[] = ['beforeRequest', 'beforeResponse', 'afterResponse']

function checkPoint(at: unknown, what: string): void {
  if (typeof at === 'string' && points.includes(at)) return
  if (typeof at === 'object' && at !== null) {
    const [[key, bytes] = [], ...more] = Object.entries(at)
    if (more.length === 0 && (key === 'requestBytes' || key === 'responseBytes')) return checkBytes(bytes, `${what} { ${key} }`)
  }
  const names = points.map(point => `'${point}'`).join(', ')
  throw badInput(
    `${what}: expected ${names}, { requestBytes } or { responseBytes }, got ${typeof at === 'string' ? `'${at}'` : String(at)}`,
  )
}

function checkBytes(bytes: unknown, what: string): void {
  if (Number.isSafeInteger(bytes) && Number(bytes) >= 0) return
  throw badInput(`${what}: expected a number of bytes from 0, got ${String(bytes)}`)
}

/** The request that a function on responses gets beside the response. */
function readsSecondBody(fn: (...args: never[]) => unknown): boolean {
  return fn.length > 1 && mentionsBody(fn)
}
