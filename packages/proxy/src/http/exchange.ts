import type { EngineContext } from '../engine-context.ts'
import { messageOf, MidwireError, nameOf } from '../errors.ts'
import type { OwnResponse, RequestRule } from '../rule/request-rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import type { Side } from '../side.ts'
import type { DeclaredStream, Part } from './declared-streams.ts'
import type { Detour, Fault, Source } from './detour.ts'
import type { ExchangePlace } from './exchange-place.ts'
import type { ExchangeRecord } from './exchange-record.ts'
import { FaultySides, faultText } from './faulty-sides.ts'
import { inTime } from './in-time.ts'
import { writeOwn } from './own-response.ts'
import { drain, pour, tap } from './pour.ts'
import { hasMember } from './raw-headers.ts'
import { applyRules } from './request-rules.ts'
import type { Body, ClientSide, Cut, RequestHead, ResponseHead, ServerSide, UpstreamHttp } from './sides.ts'

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
  readonly #faults: FaultySides
  #continued = false
  #failure: string | undefined
  /** Takes upstream's answer, where the client has been given another before. */
  #adopt: ((head: ResponseHead | undefined, body: Body | undefined) => void) | undefined
  #aborter: AbortController | undefined
  #asking = false
  #onRequestEnd: (() => void) | undefined
  #pause: PromiseWithResolvers<void> | undefined
  #started = false
  /** Its test has ended before its turn came. */
  #isLate = false
  #clientEnded = false
  #whenAsked: (() => void) | undefined

  constructor(engine: EngineContext, client: ClientSide, place: ExchangePlace) {
    this.engine = engine
    this.client = client
    this.place = place
    this.#faults = new FaultySides(engine, client, place)
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
    this.#started = true
    if (this.#isLate) return this.cutOff()
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

  /** The client has ended its side, and may still want its answer (RFC 9112 §9.6); `hasClosed`: it is known not to. */
  clientEnded(hasClosed: boolean): void {
    this.#clientEnded = true
    const isKept = this.#pause !== undefined || this.#asking || this.#stream?.isKept === true
    if (this.#faults.any || (hasClosed && isKept)) this.fail('the client ended before the response did', { how: 'fin' })
    else if (this.#pause) this.note('the client has ended its side, and may still want its answer')
  }

  /** Calls `listener` once upstream has been sent the whole request; never, where it is not asked. */
  whenAsked(listener: () => void): void {
    const body = this.#server?.body
    if (!body) this.#whenAsked = listener
    else if (body.writableFinished) listener()
    else body.once('finish', listener)
  }

  /** Its test has ended. One whose turn has not come must not cut off those before it, unless it is told so again. */
  cutOff(): void {
    if (this.#started || this.#isLate) this.fail('its test ended', { how: 'fin' })
    else this.#isLate = true
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
    if (this.#faults.apply(fault, this.#server)) this.#settle(faultText(fault))
    else this.note(faultText(fault))
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
    const late = (): Error | undefined => {
      if (this.#clientEnded) return void this.fail('the client ended before the response did', { how: 'fin' })
      const text = `${rule.name ?? rule.start} did not answer within ${Math.round(timeout)} ms; its request went on`
      return new MidwireError('MIDWIRE_RULE_FAILED', text)
    }
    this.#asking = true
    try {
      return await inTime(fn, { timeout, signal: this.signal, late })
    } finally {
      this.#asking = false
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
    this.#faults.endLingering()
  }

  answerAhead(response: OwnResponse, adopt: (head: ResponseHead | undefined, body: Body | undefined) => void): void {
    if (this.#over || !this.#server) return
    this.#adopt = adopt
    this.#faults.linger(this.#server)
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
    if (this.#whenAsked) this.whenAsked(this.#whenAsked)
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
          if (this.#faults.isDeaf('server')) return
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
    if (this.#over || this.#faults.isDeaf('client')) return
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
        tap(body, this.#countResponse, () => (this.#responseEnded(), this.#faults.endLingering())),
      )
    }
    if (this.#over || this.#faults.isDeaf('client')) return this.#drainResponse(body, false)
    if (fault?.at === 'beforeResponse') return this.break(fault)
    if (instead) {
      const own = this.#endsWith(head) ? { ...instead, headers: [...instead.headers, 'Connection', 'close'] } : instead
      return drain(body.stream, this.#countResponse, () => (this.#responseEnded(), this.#giveOwn(own)))
    }
    if (!pause && !edit) return this.#deliver(head, body)
    this.#deliverLater(head, body, pause, edit).catch((error: unknown) =>
      this.fail(`the response cannot be relayed: ${messageOf(error)}`, { how: 'fin' }),
    )
  }

  /** The client's connection is going to end with upstream's: a client that is not told so would ask again on it (RFC 9112 §9.6). */
  #endsWith({ rawHeaders, version }: ResponseHead): boolean {
    if (this.client.version === '2' || this.place.onUnreachable === 'badGateway') return false
    return hasMember(rawHeaders, 'connection', 'close') || (version === '1.0' && !hasMember(rawHeaders, 'connection', 'keep-alive'))
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
      this.#faults.endLingering()
    })
  }

  #giveOwn(response: OwnResponse): void {
    if (this.#over || this.#faults.isDeaf('client')) return
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

  #unreachable(error: unknown): void {
    if (this.#over) return
    const failure = `no upstream connection: ${nameOf(error)}`
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

  #serverCut(cut: Cut, error: Error | undefined): void {
    this.#faults.endLingering()
    this.#adopt?.(undefined, undefined)
    if (this.#over || this.#faults.any) return
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
