import { bridgeHost, decode, encode, fromWireError, toWireError } from './wire-value.ts'
import type { WireCircumstances, WireCoder, WireNews, WireOutcome, WireQuestion, WireReply, WireRequest, WireValue } from './wire-value.ts'

/** A browser's own, of which these types know nothing. */
interface SynchronousRequest {
  readonly status: number
  readonly responseText: string
  open(method: 'POST', url: string, isAsynchronous: false): void
  setRequestHeader(name: string, value: string): void
  send(body: string): void
}

// The test may replace them.
const Request = Reflect.get(globalThis, 'XMLHttpRequest') as new () => SynchronousRequest
const load = fetch.bind(globalThis)
const later = queueMicrotask.bind(globalThis)

/** Where a remote object's own names are found. */
const idOf = new WeakMap<object, number>()

/**
 * A page's line to its proxy. Calls are synchronous, as they are in Node: the page stands still until the answer has come. What takes its
 * time, and what is asked of the page's functions, comes over a request that is always open.
 */
export class PageLink implements WireCoder {
  readonly #base: string
  readonly #left: () => number | undefined
  readonly #remotes = new Map<number, object>()
  #functions: object[] = []
  #functionIds = new WeakMap<object, number>()
  readonly #pending = new Map<number, { resolve(value: unknown): void; reject(error: unknown): void; readonly stack: string }>()
  readonly #answered = new Set<number>()
  #turn = false
  #during: number | null = null
  #polling: Promise<void> | undefined
  #stop = new AbortController()

  /** `left`: ms until what runs now is given up. */
  constructor(token: string, left: () => number | undefined) {
    this.#base = `http://${bridgeHost}/${token}`
    this.#left = left
  }

  /** The object that everything begins with. */
  root(shape: { readonly values: readonly string[]; readonly methods: readonly string[] }): object {
    return this.#remote({ $: 'remote', id: 0, ...shape })
  }

  start(): void {
    this.#remotes.clear()
    this.#pending.clear()
    this.#answered.clear()
    this.#functions = []
    this.#functionIds = new WeakMap()
    this.#send({ kind: 'begin' })
    this.#stop = new AbortController()
    this.#polling = this.#poll(this.#stop.signal)
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#polling
  }

  encode(value: object): WireValue | undefined {
    const remote = idOf.get(value)
    if (remote !== undefined) return { $: 'own', id: remote }
    if (typeof value === 'function') return { $: 'function', id: this.#functionId(value), source: String(value) }
    // vitest's asymmetric matchers: what they match is known here alone.
    if ('asymmetricMatch' in value && typeof value.asymmetricMatch === 'function') {
      const match = value.asymmetricMatch.bind(value) as (other: unknown) => boolean
      return { $: 'asymmetric', id: this.#functionId(match), text: matcherText(value) }
    }
    if (value instanceof AbortSignal) {
      const onAbort = (tell: (reason: unknown) => void): void => {
        if (value.aborted) tell(value.reason)
        else value.addEventListener('abort', () => tell(value.reason), { once: true })
      }
      return { $: 'signal', id: this.#functionId(onAbort) }
    }
    if (value instanceof Promise) return { $: 'promise', id: this.#functionId(() => value as Promise<unknown>) }
    return undefined
  }

  decode(tag: string, value: { readonly [key: string]: WireValue }): unknown {
    switch (tag) {
      case 'remote':
        return this.#remote(value)
      case 'copy': {
        const copy = decode(value['fields'] ?? {}, this) as object
        idOf.set(copy, Number(value['id']))
        return copy
      }
      case 'promise': {
        const id = Number(value['id'])
        const { stack = '' } = new Error('call')
        return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject, stack: ownFramesOut(stack) }))
      }
      case 'callback': {
        const id = Number(value['id'])
        return (...args: readonly unknown[]) => this.#call(id, '', args)
      }
      default:
        throw new TypeError(`unknown ${tag}`)
    }
  }

  #functionId(fn: object): number {
    const id = this.#functionIds.get(fn) ?? this.#functions.push(fn) - 1
    this.#functionIds.set(fn, id)
    return id
  }

  #remote(shape: { readonly [key: string]: WireValue }): object {
    const id = Number(shape['id'])
    const known = this.#remotes.get(id)
    if (known) return known
    const remote: object = {}
    idOf.set(remote, id)
    this.#remotes.set(id, remote)
    for (const name of shape['values'] as readonly string[])
      Object.defineProperty(remote, name, { enumerable: true, configurable: true, get: () => this.#get(id, name) })
    for (const name of shape['methods'] as readonly string[])
      Object.defineProperty(remote, symbolOf(name), {
        configurable: true,
        writable: true,
        value: (...args: readonly unknown[]) => this.#call(id, name, args),
      })
    return remote
  }

  #get(of: number, name: string): unknown {
    return this.#ask({ kind: 'get', of, name, ...this.#circumstances() }, ownFramesOut(new Error('get').stack ?? ''))
  }

  #call(of: number, name: string, args: readonly unknown[]): unknown {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 40
    const stack = ownFramesOut(new Error('call').stack ?? '')
    Error.stackTraceLimit = limit
    return this.#ask({ kind: 'call', of, name, args: args.map(arg => encode(arg, this)), stack, ...this.#circumstances() }, stack)
  }

  /** One request, and the questions that come before its answer does. */
  #ask(request: WireRequest, here: string): unknown {
    if (request.kind !== 'answer') this.#endTurnLater()
    let reply = this.#send(request)
    while (reply.kind === 'question') reply = this.#send(this.#answerNow(reply))
    if (reply.kind === 'taken') return undefined
    if ('error' in reply) throw fromWireError(reply.error, here)
    return decode(reply.value, this)
  }

  /** What is done in one turn here is one turn there. */
  #endTurnLater(): void {
    if (this.#turn) return
    this.#turn = true
    later(() => {
      this.#turn = false
      this.#send({ kind: 'turn' })
    })
  }

  #send(request: WireRequest): WireReply {
    const sent = new Request()
    sent.open('POST', `${this.#base}/call`, false)
    // Of a type that needs no preflight.
    sent.setRequestHeader('content-type', 'text/plain')
    sent.send(JSON.stringify(request))
    if (sent.status !== 200) throw new Error(`the proxy's side answered ${sent.status}: ${sent.responseText}`)
    return JSON.parse(sent.responseText) as WireReply
  }

  #circumstances(): WireCircumstances {
    return { left: this.#left() ?? null, during: this.#during }
  }

  #answerNow(question: WireQuestion): WireRequest {
    this.#answered.add(question.question)
    try {
      return { kind: 'answer', question: question.question, value: encode(this.#apply(question), this) }
    } catch (error) {
      return { kind: 'answer', question: question.question, error: toWireError(error) }
    }
  }

  #apply({ question, fn, args }: WireQuestion): unknown {
    const before = this.#during
    this.#during = question
    try {
      const call = this.#functions[fn] as (...all: readonly unknown[]) => unknown
      return call(...args.map(arg => decode(arg, this)))
    } finally {
      this.#during = before
    }
  }

  #answerLater(question: WireQuestion): void {
    // It has come in the midst of a call, too.
    if (this.#answered.delete(question.question)) return
    const answer = (outcome: WireOutcome): void => void this.#send({ kind: 'answer', question: question.question, ...outcome })
    const give = (value: unknown): void => answer({ value: encode(value, this) })
    const fail = (error: unknown): void => answer({ error: toWireError(error) })
    try {
      const value = this.#apply(question)
      // What need not wait must not: the wire stands still.
      if (value instanceof Promise) value.then(give).catch(fail)
      else give(value)
    } catch (error) {
      fail(error)
    }
  }

  async #poll(signal: AbortSignal): Promise<void> {
    let got = 0
    while (!signal.aborted) {
      let news: readonly WireNews[]
      try {
        news = (await (await load(`${this.#base}/news?got=${got}`, { signal })).json()) as readonly WireNews[]
      } catch (error) {
        if (signal.aborted) return
        throw error
      }
      got += news.length
      for (const each of news) this.#take(each)
    }
  }

  #take(news: WireNews): void {
    if (news.kind === 'question') return this.#answerLater(news)
    const waiting = this.#pending.get(news.promise)
    this.#pending.delete(news.promise)
    if ('error' in news) waiting?.reject(fromWireError(news.error, waiting.stack))
    else waiting?.resolve(decode(news.value, this))
  }
}

function matcherText(matcher: object): string {
  return 'toAsymmetricMatcher' in matcher && typeof matcher.toAsymmetricMatcher === 'function'
    ? String(matcher.toAsymmetricMatcher())
    : String(matcher)
}

function symbolOf(name: string): string | symbol {
  if (name === '@@dispose') return Symbol.dispose
  return name === '@@asyncDispose' ? Symbol.asyncDispose : name
}

/** The frames of a stack that are not this file's. */
function ownFramesOut(stack: string): string {
  const own = import.meta.url.replace(/\?.*$/, '')
  const frames = stack.split('\n').filter(text => /^\s+at /.test(text))
  return `\n${frames.filter(text => !text.includes(own)).join('\n')}`
}
