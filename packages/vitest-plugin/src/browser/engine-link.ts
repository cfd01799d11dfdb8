import { receiveMessageOnPort } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import { calledFrom } from '@midwire/sdk'
import type { CallSite } from '@midwire/sdk'
import { decode, encode, fromWireError, isPlain, toWireError } from './wire-value.ts'
import type { WireCoder, WireNews, WireOutcome, WireQuestion, WireReply, WireRequest, WireValue } from './wire-value.ts'
import type { BridgeToEngine, EngineToBridge } from './bridge-message.ts'

/** ms that a page may take for a function that the wire waits for; the wire stands still meanwhile. */
const patience = 10_000

/** What may answer later: everything else that calls a function of the page waits for it, as it would in Node. */
const asynchronous = new Set(['handle', 'offline'])

/** What comes of a wait is told from its likes by identity: `after` and `until` take it. */
const keepsIdentity = /^(?:waitFor|mark$|next$)/

/**
 * The line of a proxy to its page, in a thread of its own: it stands still while a function of the page decides, and while the code of the
 * page runs on that has called, as it would if that ran here.
 */
export class EngineLink implements WireCoder {
  readonly #port: MessagePort
  readonly #signal: Int32Array
  readonly #root: object
  #objects: object[] = []
  #ids = new WeakMap<object, number>()
  readonly #functions = new Map<string, object>()
  readonly #answers = new Map<number, WireOutcome>()
  readonly #later = new Map<number, (outcome: WireOutcome) => void>()
  /** Questions that the wire waits for, the innermost last. */
  readonly #asked: WireQuestion[] = []
  readonly #deferred: (() => void)[] = []
  #questions = 0
  #promises = 0
  /** Requests of the page that wait for their reply. */
  #open = 0
  #turn = false
  #gone = false
  #left: number | undefined
  /** For functions of what is called now. */
  #called = ''

  constructor(port: MessagePort, signal: Int32Array, root: object) {
    this.#port = port
    this.#signal = signal
    this.#root = root
    this.#forget()
    port.on('message', (message: BridgeToEngine) => {
      this.#take(message)
      if (this.#turn) this.#serveUntil(() => !this.#turn)
    })
  }

  /** ms until the page's runner gives up what runs there, as of its last call. */
  get left(): number | undefined {
    return this.#left === undefined ? undefined : Math.max(0, this.#left - performance.now())
  }

  encode(value: object): WireValue | undefined {
    if (typeof value === 'function') return { $: 'callback', id: this.#idOf({ '': value }) }
    if (value instanceof Promise) return this.#promise(value)
    if (isGenerator(value)) return encode([...value], this)
    if (Array.isArray(value) || value instanceof Uint8Array || value instanceof RegExp || value instanceof Date) return undefined
    if (value instanceof Map || value instanceof Set || value instanceof Error || isPlain(value)) return undefined
    return { $: 'remote', id: this.#idOf(value), ...shapeOf(value) }
  }

  decode(tag: string, value: { readonly [key: string]: WireValue }): unknown {
    const id = Number(value['id'])
    switch (tag) {
      case 'own':
        return this.#objects[id]
      case 'function':
        return this.#function(id, String(value['source']))
      case 'asymmetric': {
        const match = this.#function(id, '') as (other: unknown) => boolean
        return { asymmetricMatch: match, toString: () => String(value['text']), toAsymmetricMatcher: () => String(value['text']) }
      }
      case 'signal': {
        const controller = new AbortController()
        void this.#askLater(id, [(reason: unknown) => controller.abort(reason)])
        return controller.signal
      }
      case 'promise':
        return this.#askLater(id, [])
      default:
        throw new TypeError(`unknown ${tag}`)
    }
  }

  /** Another page, or another file in it, counts from the start. */
  #forget(): void {
    this.#objects = []
    this.#ids = new WeakMap()
    this.#functions.clear()
    this.#idOf(this.#root)
  }

  #idOf(value: object): number {
    const id = this.#ids.get(value) ?? this.#objects.push(value) - 1
    this.#ids.set(value, id)
    return id
  }

  #promise(value: Promise<unknown>): WireValue {
    const promise = this.#promises++
    const name = this.#called
    void value.then(
      result => this.#tell({ kind: 'settled', promise, ...this.#outcome(() => this.#encodeResult(name, result)) }),
      (error: unknown) => this.#tell({ kind: 'settled', promise, error: toWireError(error) }),
    )
    return { $: 'promise', id: promise }
  }

  #encodeResult(name: string, result: unknown): WireValue {
    if (keepsIdentity.test(name) && typeof result === 'object' && result !== null && isPlain(result) && !('then' in result))
      return { $: 'copy', id: this.#idOf(result), fields: encode({ ...result }, this) }
    return encode(result, this)
  }

  #function(id: number, source: string): object {
    const isLater = asynchronous.has(this.#called)
    const key = `${id} ${isLater}`
    const known = this.#functions.get(key)
    if (known) return known
    const fn = isLater ? (...args: readonly unknown[]) => this.#askLater(id, args) : (...args: readonly unknown[]) => this.#askNow(id, args)
    // Two functions are the same match where their sources say so.
    fn.toString = () => source
    this.#functions.set(key, fn)
    return fn
  }

  /** Calls a function of the page, and stands still until it has answered. */
  #askNow(fn: number, args: readonly unknown[]): unknown {
    const asked = this.#ask(fn, args)
    const { question } = asked
    const deadline = performance.now() + patience
    this.#asked.push(asked)
    this.#serveUntil(() => this.#answers.has(question) || this.#gone || performance.now() > deadline)
    this.#asked.pop()
    // When all that stands still now has gone on.
    if (this.#asked.length === 0 && this.#deferred.length > 0) queueMicrotask(() => this.#performDeferred())
    const outcome = this.#answers.get(question)
    this.#answers.delete(question)
    if (outcome) return this.#read(outcome)
    throw new Error(this.#gone ? 'the page has gone that a function was called of' : `the page did not answer within ${patience} ms`)
  }

  #askLater(fn: number, args: readonly unknown[]): Promise<unknown> {
    const { promise, resolve } = Promise.withResolvers<WireOutcome>()
    this.#later.set(this.#ask(fn, args, true).question, resolve)
    return promise.then(outcome => this.#read(outcome))
  }

  #ask(fn: number, args: readonly unknown[], isLater = false): WireQuestion {
    const question = this.#questions++
    const asked = { kind: 'question', question, fn, args: args.map(arg => encode(arg, this)) } as const
    if (isLater || this.#open === 0) this.#tell(asked)
    else this.#reply(asked)
    return asked
  }

  #read(outcome: WireOutcome): unknown {
    if ('error' in outcome) throw fromWireError(outcome.error)
    return decode(outcome.value, this)
  }

  #serveUntil(isOver: () => boolean): void {
    while (!isOver()) {
      const seen = Atomics.load(this.#signal, 0)
      const received = receiveMessageOnPort(this.#port)
      if (received) this.#take(received.message as BridgeToEngine)
      else if (Atomics.wait(this.#signal, 0, seen, patience) === 'timed-out') this.#turn = false
    }
  }

  #take(message: BridgeToEngine): void {
    if (message.kind === 'gone') {
      this.#gone = true
      this.#turn = false
      for (const answer of this.#later.values()) answer({ error: toWireError(new Error('the page has gone')) })
      this.#later.clear()
      return
    }
    this.#open++
    const { request, site } = message
    switch (request.kind) {
      case 'turn':
        this.#turn = false
        return this.#reply({ kind: 'taken' })
      case 'answer':
        return this.#takeAnswer(request)
      case 'begin':
        this.#forget()
        this.#gone = false
        return this.#reply({ kind: 'taken' })
      case 'call':
      case 'get': {
        const asked = this.#asked.at(-1)
        if (!asked || asked.question === request.during) return this.#serve(request, site)
        // The wire stands in the midst of a message: the page answers first, and its call has its turn after that.
        this.#deferred.push(() => this.#serve(request, site))
        return this.#reply(asked)
      }
    }
  }

  #serve(request: WireRequest & { readonly kind: 'call' | 'get' }, site: CallSite | undefined): void {
    this.#turn = true
    this.#left = request.left === null ? undefined : performance.now() + request.left
    this.#reply({ kind: 'return', ...this.#outcome(() => this.#perform(request, site)) })
  }

  #performDeferred(): void {
    for (const serve of this.#deferred.splice(0)) serve()
    if (this.#turn) this.#serveUntil(() => !this.#turn)
  }

  #takeAnswer(answer: WireRequest & { readonly kind: 'answer' }): void {
    const later = this.#later.get(answer.question)
    this.#later.delete(answer.question)
    if (!later) this.#answers.set(answer.question, answer)
    // The answer to what was asked in the midst of a call: that call's own reply follows.
    if (!later && this.#isNested(answer.question)) return
    this.#reply({ kind: 'taken' })
    later?.(answer)
  }

  readonly #nested = new Set<number>()
  #isNested(question: number): boolean {
    return this.#nested.delete(question)
  }

  #perform(request: WireRequest & { readonly kind: 'call' | 'get' }, site: CallSite | undefined): WireValue {
    const of = this.#objects[request.of]
    if (!of) throw new TypeError('there is no such object any more')
    if (request.kind === 'get') return encode(Reflect.get(of, request.name), this)
    const before = this.#called
    this.#called = request.name
    try {
      const method = Reflect.get(of, symbolOf(request.name)) as (...args: readonly unknown[]) => unknown
      const args = request.args.map(arg => decode(arg, this))
      const result = site ? calledFrom(site, () => method.apply(of, args)) : method.apply(of, args)
      return this.#encodeResult(request.name, result)
    } finally {
      this.#called = before
    }
  }

  #outcome(perform: () => WireValue): WireOutcome {
    try {
      return { value: perform() }
    } catch (error) {
      return { error: toWireError(error) }
    }
  }

  #reply(reply: WireReply): void {
    this.#open--
    if (reply.kind === 'question') this.#nested.add(reply.question)
    this.#port.postMessage({ kind: 'reply', reply } satisfies EngineToBridge)
  }

  #tell(news: WireNews): void {
    this.#port.postMessage({ kind: 'news', news } satisfies EngineToBridge)
  }
}

function isGenerator(value: object): value is Generator<unknown> {
  return Symbol.iterator in value && 'next' in value && typeof value.next === 'function' && 'return' in value
}

function symbolOf(name: string): string | symbol {
  if (name === '@@dispose') return Symbol.dispose
  return name === '@@asyncDispose' ? Symbol.asyncDispose : name
}

const shapes = new WeakMap<object, { values: string[]; methods: string[] }>()

/** What a class gives its objects, inherited members and public fields included. */
export function shapeOf(value: object): { values: string[]; methods: string[] } {
  const { values, methods } = classShape(Object.getPrototypeOf(value) as object)
  const own = Object.keys(value).filter(key => typeof Reflect.get(value, key) !== 'function')
  return { values: [...new Set([...values, ...own])], methods }
}

function classShape(prototype: object): { values: string[]; methods: string[] } {
  const known = shapes.get(prototype)
  if (known) return known
  const [values, methods] = [new Set<string>(), new Set<string>()]
  for (let at = prototype; at !== Object.prototype; at = Object.getPrototypeOf(at) as object) {
    for (const key of Reflect.ownKeys(at)) {
      const name = key === Symbol.dispose ? '@@dispose' : key === Symbol.asyncDispose ? '@@asyncDispose' : key
      if (typeof name !== 'string' || name === 'constructor') continue
      const { value: member, get } = Object.getOwnPropertyDescriptor(at, key) ?? {}
      if (get) values.add(name)
      else if (typeof member === 'function') methods.add(name)
    }
  }
  const shape = { values: [...values], methods: [...methods] }
  shapes.set(prototype, shape)
  return shape
}
