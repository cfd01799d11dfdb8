import type { EngineContext } from '../engine-context.ts'
import { messageOf, MidwireError } from '../errors.ts'
import { realClock } from '../io/clock.ts'
import type { FaultPoint, OwnResponse, RequestRule } from '../rule/request-rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import type { Side } from '../side.ts'
import type { Scope } from '../scope.ts'
import type { DeclaredStream, Part } from './declared-streams.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import { writeOwn } from './own-response.ts'
import { drain, pour, tap } from './pour.ts'
import { applyRules } from './request-rules.ts'
import type { Body, ClientSide, Cut, RequestHead, ResponseHead, ServerSide, UpstreamHttp } from './sides.ts'
import type { Target } from './target.ts'

/** Where an exchange takes place. */
export interface ExchangePlace {
  /** Whose it is; `undefined` is relayed, and nothing more. */
  readonly scope: Scope | undefined
  readonly target: Target
  /** What upstream gets, where no rule changes it. */
  readonly onward: RequestHead
  /** Called when upstream is needed, and at most once. */
  openUpstream(): UpstreamHttp | Promise<UpstreamHttp>
  /** Upstream cannot be reached: reset the client, or answer 502 where it asked a proxy. */
  readonly onUnreachable: 'reset' | 'badGateway'
  /** Ends what connects to upstream, where nothing was asked there yet; HTTP/2 has nothing to end. */
  cutUpstream?(cut: Cut): void
  /** A rule cuts off the other side alone: this one is not to notice. */
  spare?(side: Side): void
  /** Called once; `failure` says in a few words why it did not run to its end. */
  onOver?(failure: string | undefined): void
}

/** What is done to an exchange beside relaying it. */
export interface Detour {
  /** Given in place of upstream's answer, once that has come. */
  readonly instead?: OwnResponse
  /** The response goes on when it resolves. */
  readonly pause?: () => Promise<void>
  readonly edit?: (head: ResponseHead, body: Body) => Promise<Part<ResponseHead>>
  readonly fault?: Fault
}

/** Where a request's body is read from; `onChunk` where nobody has counted it yet. */
export interface Source {
  readonly body: Body
  readonly onChunk: ((chunk: Buffer) => void) | undefined
}

export interface Fault {
  readonly how: 'reset' | 'end' | 'stall'
  readonly at: FaultPoint
  readonly to: Side | 'both'
  readonly label: string
}

/** Takes one request of a client through the rules to upstream, and the response back, both streamed with back-pressure. */
export function runExchange(engine: EngineContext, client: ClientSide, place: ExchangePlace): void {
  new RunningExchange(engine, client, place).start()
}

/** One exchange, whatever version of HTTP carries it on either side. */
export class RunningExchange {
  readonly engine: EngineContext
  readonly client: ClientSide
  readonly place: ExchangePlace
  readonly record: ExchangeRecord | undefined
  #server: ServerSide | undefined
  #stream: DeclaredStream | undefined
  #detour: Detour = {}
  #over = false
  /** Sides that get nothing any more, by a rule. */
  #deaf: Side | 'both' | undefined
  #continued = false
  #failure: string | undefined
  #lingering: (() => void) | undefined
  /** Takes upstream's answer, where the client has been given another before. */
  #adopt: ((head: ResponseHead | undefined, body: Body | undefined) => void) | undefined
  #aborter: AbortController | undefined
  #asking = false
  #onRequestEnd: (() => void) | undefined
  #pause: PromiseWithResolvers<void> | undefined

  constructor(engine: EngineContext, client: ClientSide, place: ExchangePlace) {
    this.engine = engine
    this.client = client
    this.place = place
    const { scope, target } = place
    if (!scope) return
    this.record = engine.exchanges.begin(scope, client, target, this)
  }

  /** The request's body, as it comes from the client. */
  get source(): Source {
    return { body: this.client.body, onChunk: this.record && this.countRequest }
  }

  /** Aborted when the exchange ends before it is complete. */
  get signal(): AbortSignal {
    return (this.#aborter ??= new AbortController()).signal
  }

  /** True once nothing more will happen. */
  get over(): boolean {
    return this.#over
  }

  start(): void {
    this.client.onOver(cut => this.#clientOver(cut))
    const { scope, onward } = this.place
    const runs = scope ? this.engine.rules.requestRules(scope) : []
    if (runs.length === 0 || !this.record) return this.forward(onward, this.source, {})
    applyRules(this, this.record, runs).catch((error: unknown) => this.fail(`it cannot go on: ${messageOf(error)}`, { how: 'rst' }))
  }

  /** Its client can neither ask nor be answered any more. */
  abandon(failure: string): void {
    if (this.#over) return
    this.#settle(failure, 'client')
    this.#server?.cut({ how: 'fin' })
  }

  /** The client has ended its side. Whether it still wants its answer cannot be told: where a rule keeps that back, it is taken to have left. */
  clientLeft(): void {
    if (this.#pause || this.#asking || this.#deaf !== undefined) this.fail('the client ended before the response did', { how: 'fin' })
  }

  /** Its test has ended. */
  cutOff(): void {
    this.fail('its test ended', { how: 'fin' })
  }

  /** Counts and keeps the client's body. */
  readonly countRequest = (chunk: Buffer): void => this.record?.addRequest(chunk)

  /** The whole body of the client has come. */
  readonly requestEnded = (): void => {
    if (this.record) this.engine.exchanges.requestEnded(this.record)
    this.#onRequestEnd?.()
  }

  /** Calls `listener` once the whole body of the client has come. */
  onRequestEnd(listener: () => void): void {
    if (this.record?.complete) listener()
    else this.#onRequestEnd = listener
  }

  /** Sends the request on, and what comes back to the client. */
  forward(head: RequestHead, source: Source, detour: Detour): void {
    if (this.#over) return
    this.#detour = detour
    let upstream: UpstreamHttp | Promise<UpstreamHttp>
    try {
      upstream = this.place.openUpstream()
    } catch (error) {
      return this.#unreachable(error)
    }
    if ('then' in upstream) {
      upstream.then(
        opened => this.#send(opened, head, source),
        (error: unknown) => this.#unreachable(error),
      )
    } else this.#send(upstream, head, source)
  }

  /** Answers in upstream's place; what is still to come of the request is read and thrown away. */
  answer(response: OwnResponse, source?: Source): void {
    if (this.#over) return
    if (source) this.#drain(source)
    this.#giveOwn(response)
  }

  /** Ends, or stops, what a fault is about. */
  break(fault: Fault): void {
    const { how, to, label } = fault
    if (how === 'stall') {
      this.note(`stalled by ${label}`)
      this.#deaf = to
      return
    }
    const cut: Cut = { how: how === 'reset' ? 'rst' : 'half' }
    const whom = to === 'both' ? '' : ` for the ${to}`
    if (to === 'server') this.place.spare?.('client')
    if (to !== 'client') {
      this.#deaf = 'server'
      if (this.#server) this.#server.cut(cut)
      else this.place.cutUpstream?.(cut)
    }
    if (to === 'server') return this.note(`${how}${whom} by ${label}`)
    if (to === 'client' && this.#server) this.#linger(this.#server)
    this.client.cut(cut)
    // Its end is to be seen.
    this.client.body.stream.resume()
    this.#settle(`${how}${whom} by ${label}`)
  }

  /** Tells a client that waits for it to send its body (RFC 9110 §10.1.1). */
  tellToContinue(): void {
    if (this.#continued) return
    this.#continued = true
    this.client.inform({ status: 100, statusText: 'Continue', rawHeaders: [] })
  }

  /** Waits until it is let go: by `resume()`, or the end of its test. Nothing happens to either side meanwhile. */
  async pause(): Promise<void> {
    this.#pause = Promise.withResolvers()
    await this.#pause.promise
  }

  /** Ends its pause; true if there was one. */
  resume(): boolean {
    const paused = this.#pause !== undefined
    this.#pause?.resolve()
    this.#pause = undefined
    return paused
  }

  note(text: string): void {
    const { scope, target } = this.place
    this.engine.note(undefined, scope, `${this.client.head.method} ${target.url}: ${text}`)
  }

  /** Fails the test of a rule whose function did not do what was asked of it. */
  ruleFailed({ rule }: RuleRun<RequestRule>, cause: unknown, text: string): void {
    const error = cause instanceof MidwireError ? cause : new MidwireError('MIDWIRE_RULE_FAILED', text, { cause })
    this.engine.fail({ scope: rule.scope, rule, message: undefined, error })
  }

  /** What `fn` resolves with; `undefined` if the exchange ends before. @throws MidwireError if it takes longer than a decision may */
  async inTime<T>({ rule }: RuleRun<RequestRule>, fn: () => Promise<T>): Promise<T | undefined> {
    const timeout = this.engine.decisionTimeout(rule)
    const late = Promise.withResolvers<undefined>()
    const timer = realClock.after(timeout, () => {
      const text = `${rule.name ?? rule.start} did not answer within ${Math.round(timeout)} ms; its request went on`
      late.reject(new MidwireError('MIDWIRE_RULE_FAILED', text))
    })
    const leave = (): void => late.resolve(undefined)
    this.signal.addEventListener('abort', leave)
    this.#asking = true
    try {
      return await Promise.race([fn(), late.promise])
    } finally {
      this.#asking = false
      realClock.cancel(timer)
      this.signal.removeEventListener('abort', leave)
    }
  }

  fail(failure: string, cut: Cut): void {
    if (this.#over) return
    this.#settle(failure)
    this.#server?.cut(cut)
    this.client.cut(cut)
  }

  cutServer(cut: Cut): void {
    this.#server?.cut(cut)
    this.#lingering?.()
  }

  answerAhead(response: OwnResponse, adopt: (head: ResponseHead | undefined, body: Body | undefined) => void): void {
    if (this.#over || !this.#server) return
    this.#adopt = adopt
    this.#linger(this.#server)
    this.#giveOwn(this.client.version === '2' ? response : { ...response, headers: [...response.headers, 'Connection', 'close'] })
  }

  #drain({ body, onChunk }: Source): void {
    body.stream.on('error', ignore)
    drain(body.stream, onChunk, onChunk && this.requestEnded)
  }

  #send(upstream: UpstreamHttp, head: RequestHead, source: Source): void {
    if (this.#over) return
    const { scope, target } = this.place
    const stream = scope && this.record && this.engine.streams?.of(scope, this.record, target, head, this)
    if (!stream) return this.#request(upstream, head, source)
    this.#stream = stream
    const { body, onChunk } = source
    const tapped = onChunk ? tap(body, onChunk, this.requestEnded) : body
    const send = (part: Part<RequestHead>): void => this.#request(upstream, part.head, { body: part.body, onChunk: undefined })
    settle(stream.request(head, tapped), send, this.#streamFailed)
  }

  #request(upstream: UpstreamHttp, head: RequestHead, { body, onChunk }: Source): void {
    if (this.#over) return
    let server: ServerSide
    try {
      server = upstream.request(head, {
        inform: information => this.#inform(information),
        respond: (answer, content) => this.#respond(answer, content),
        onCut: (cut, error) => this.#serverCut(cut, error),
      })
    } catch (error) {
      // Node reads heads that it refuses to write: a Trailer on a body without chunks, say.
      this.place.cutUpstream?.({ how: 'fin' })
      return this.fail(`the request cannot be relayed: ${messageOf(error)}`, { how: 'rst' })
    }
    this.#server = server
    const { fault } = this.#detour
    const stopAt = typeof fault?.at === 'object' && 'requestBytes' in fault.at ? fault.at.requestBytes : undefined
    // A body that cannot be read any more cannot be ended, either.
    body.stream.on('error', ignore)
    const pourOn = (stop?: number): void =>
      pour(body.stream, server.body, {
        onChunk,
        stopAt: stop,
        onStop: () =>
          server.flush(() => {
            if (!fault || this.#over) return
            this.break(fault)
            if (fault.to === 'client') pourOn()
            else if (fault.how !== 'stall') this.#drain({ body, onChunk })
          }),
        onEnd: () => {
          if (onChunk) this.requestEnded()
          if (stop !== undefined) this.note(`the request ended before the ${stop} bytes after which ${fault?.label} was to act`)
          if (this.#isDeaf('server')) return
          try {
            server.addTrailers(body.trailers())
            server.body.end()
          } catch (error) {
            this.fail(`the request cannot be relayed: ${messageOf(error)}`, { how: 'rst' })
          }
        },
      })
    pourOn(stopAt)
  }

  #inform(head: ResponseHead): void {
    if (this.#over || this.#isDeaf('client')) return
    if (head.status === 100 ? this.#continued : this.#detour.instead !== undefined) return
    this.client.inform(head)
  }

  #respond(head: ResponseHead, body: Body): void {
    const { fault, instead, pause, edit } = this.#detour
    body.stream.on('error', ignore)
    if (this.record) this.engine.exchanges.answer(this.record, head)
    if (this.#adopt) {
      const adopt = this.#adopt
      this.#adopt = undefined
      return adopt(
        head,
        tap(body, this.#countResponse, () => (this.#responseEnded(), this.#lingering?.())),
      )
    }
    if (this.#over || this.#isDeaf('client')) return this.#drainResponse(body, false)
    if (fault?.at === 'beforeResponse') return this.break(fault)
    if (instead) return drain(body.stream, this.#countResponse, () => (this.#responseEnded(), this.#giveOwn(instead)))
    if (!pause && !edit) return this.#deliver(head, body)
    this.#deliverLater(head, body, pause, edit).catch((error: unknown) =>
      this.fail(`the response cannot be relayed: ${messageOf(error)}`, { how: 'fin' }),
    )
  }

  async #deliverLater(head: ResponseHead, body: Body, pause: Detour['pause'], edit: Detour['edit']): Promise<void> {
    await pause?.()
    if (this.#over) return
    if (!edit) return this.#deliver(head, body)
    const part = await edit(head, tap(body, this.#countResponse, this.#responseEnded))
    if (this.#over) return
    this.#deliver(part.head, part.body, true)
  }

  #deliver(head: ResponseHead, body: Body, counted = false): void {
    const stream = this.#stream
    if (!stream) return this.#write(head, body, counted)
    const part = stream.response(head, counted ? body : tap(body, this.#countResponse, this.#responseEnded))
    settle(part, written => this.#write(written.head, written.body, true), this.#streamFailed)
  }

  #write(head: ResponseHead, body: Body, counted: boolean): void {
    if (this.#over) return
    const { client } = this
    const { fault } = this.#detour
    const stopAt = typeof fault?.at === 'object' && 'responseBytes' in fault.at ? fault.at.responseBytes : undefined
    try {
      const to = client.respond(head)
      pour(body.stream, to, {
        onChunk: counted ? undefined : this.#countResponse,
        stopAt,
        onStop: () =>
          client.flush(() => {
            if (!fault || this.#over) return
            this.break(fault)
            if (fault.how !== 'stall') this.#drainResponse(body, counted)
          }),
        onEnd: () => {
          if (!counted) this.#responseEnded()
          if (stopAt !== undefined) this.note(`the response ended before the ${stopAt} bytes after which ${fault?.label} was to act`)
          try {
            client.addTrailers(body.trailers())
            to.end()
          } catch (error) {
            this.fail(`the response cannot be relayed: ${messageOf(error)}`, { how: 'fin' })
          }
        },
      })
    } catch (error) {
      this.fail(`the response cannot be relayed: ${messageOf(error)}`, { how: 'fin' })
    }
  }

  #drainResponse(body: Body, counted: boolean): void {
    drain(body.stream, counted ? undefined : this.#countResponse, () => {
      if (!counted) this.#responseEnded()
      this.#lingering?.()
    })
  }

  #giveOwn(response: OwnResponse): void {
    if (this.#over || this.#isDeaf('client')) return
    try {
      const { record, engine } = this
      let hasEnded = false
      const head = writeOwn(this.client, response, {
        onChunk: chunk => record?.addDelivered(chunk),
        onEnd: () => {
          hasEnded = true
          if (record) engine.exchanges.deliveryEnded(record)
        },
        onBreak: () => this.fail('the body of its answer broke off', { how: 'rst' }),
      })
      if (record) engine.exchanges.deliver(record, head, hasEnded ? undefined : response.body)
    } catch (error) {
      this.fail(`the answer cannot be written: ${messageOf(error)}`, { how: 'rst' })
    }
  }

  readonly #countResponse = (chunk: Buffer): void => this.record?.addResponse(chunk)

  readonly #responseEnded = (): void => {
    if (this.record) this.engine.exchanges.responseEnded(this.record)
  }

  readonly #streamFailed = (error: unknown): void => {
    this.fail(`its stream cannot go on: ${messageOf(error)}`, { how: 'rst' })
  }

  #isDeaf(side: Side): boolean {
    return this.#deaf === side || this.#deaf === 'both'
  }

  #unreachable(error: unknown): void {
    if (this.#over) return
    const failure = `no upstream connection: ${String(error)}`
    if (this.place.onUnreachable === 'badGateway') {
      const text = `Midwire could not reach the upstream server: ${String(error)}\n`
      const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Connection', 'close']
      this.#drain(this.source)
      this.#failure = failure
      return this.#giveOwn({ status: 502, headers, body: Buffer.from(text) })
    }
    this.engine.note(undefined, this.place.scope, failure)
    this.fail(failure, { how: 'rst' })
  }

  /** The client has been cut off; upstream may come to its end, and is ended then. */
  #linger(server: ServerSide): void {
    const { place, engine } = this
    place.spare?.('server')
    const end = engine.exchanges.linger(place.scope, () => {
      server.cut({ how: 'fin' })
      place.cutUpstream?.({ how: 'fin' })
    })
    this.#lingering = end
  }

  #serverCut(cut: Cut, error: Error | undefined): void {
    this.#lingering?.()
    this.#adopt?.(undefined, undefined)
    if (this.#over || this.#deaf !== undefined) return
    const failure = this.#failureOf(error)
    if (isMalformed(error)) this.note(`refused a malformed response of the server (${error.code}): ${error.message}`)
    this.#settle(failure, 'server')
    this.client.cut(cut)
  }

  #failureOf(error: Error | undefined): string {
    if (isMalformed(error)) return `upstream's response is malformed: ${error.message}`
    if (this.record?.response) return `upstream ended in the middle of the response: ${error?.message}`
    if (error) return `upstream ended before the response: ${error.message}`
    return 'upstream ended the connection, or switched to a protocol that nobody asked for'
  }

  #clientOver(cut: Cut | undefined): void {
    if (this.#over) return
    const { fault } = this.#detour
    if (!cut && fault?.at === 'afterResponse') {
      // It is complete; what is done to its connection is no failure of its own.
      if (this.record) this.engine.exchanges.end(this.record, undefined)
      if (fault.how === 'stall') return this.break(fault)
      this.break(fault)
      return this.#settle(undefined)
    }
    this.#settle(cut ? 'the client ended before the response did' : undefined, 'client')
    if (cut) this.#server?.cut(cut)
  }

  #settle(failure: string | undefined, by?: Side): void {
    if (this.#over) return
    this.#over = true
    this.resume()
    if (failure !== undefined) this.#aborter?.abort(new Error(failure))
    if (this.record) this.engine.exchanges.end(this.record, failure ?? this.#failure)
    this.#stream?.over(failure, by)
    this.place.onOver?.(failure)
  }
}

function settle<T>(value: T | Promise<T>, then: (value: T) => void, failed: (error: unknown) => void): void {
  if (value instanceof Promise) value.then(then).catch(failed)
  else then(value)
}

/** True for what llhttp refused. */
function isMalformed(error: Error | undefined): error is Error & { readonly code: string } {
  return error !== undefined && 'code' in error && String(error.code).startsWith('HPE_')
}

function ignore(): void {}
