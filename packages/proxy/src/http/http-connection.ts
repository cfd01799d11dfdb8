import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Destination } from '../capture/inbound.ts'
import type { Upstream } from '../capture/route.ts'
import { nameOf } from '../errors.ts'
import type { EngineContext } from '../engine-context.ts'
import { isReset, type Leg } from '../io/leg.ts'
import type { Scope } from '../scope.ts'
import type { Side } from '../side.ts'
import { connectBlindly, upgradeBlindly } from './blind-switch.ts'
import { EarlyBytes } from './early-bytes.ts'
import { RunningExchange } from './exchange.ts'
import type { ExactResponse } from './exact.ts'
import type { HttpClient } from './front.ts'
import { Http1Client } from './http1-client.ts'
import { Http1Upstream } from './http1-upstream.ts'
import { Pipeline } from './pipeline.ts'
import { type PlainAnswer, plainAnswer } from './plain-answer.ts'
import type { Cut, UpstreamHttp } from './sides.ts'
import type { Target } from './target.ts'
import { isWebSocket, relayRefusal } from './upgrade.ts'
import { UpstreamLink } from './upstream-link.ts'
import { type Doorway, openWebSocket } from './web-socket.ts'

/** Where one request goes, and as what. */
export interface Locus {
  /** What the client meant. */
  readonly target: Target
  /** The request-target that upstream gets (RFC 9112 §3.2). */
  readonly requestTarget: string
  /** The headers that upstream gets. */
  readonly headers: readonly string[]
}

export interface HttpConnectionOptions {
  readonly client: Leg
  /** For leaks: where the client's socket wanted to go. */
  readonly destination: Destination
  /** Whose request is the k-th. */
  readonly scopeOf: (k: number) => Scope | undefined
  /** True once the client is known to read nothing more, and not only to write nothing more. @default that is never known */
  readonly hasClosed?: (() => boolean) | undefined
  /** Looks at each request first, and says why it is turned away, where the engine is the proxy that was asked. @default none is */
  readonly refuse?: (request: IncomingMessage) => PlainAnswer | undefined
  readonly locate: (scheme: 'http' | 'ws', request: IncomingMessage) => Locus
  /** Opens the upstream leg for a target, TLS included; `to` sends it elsewhere. Called when the first request for its origin needs it. */
  readonly openUpstream: (target: Target, to?: Upstream) => Promise<Leg>
  /** A CONNECT, where the engine is the proxy that was asked. @default relayed, since somebody else's proxy was meant */
  readonly onConnect?: (request: IncomingMessage, head: Buffer) => void
  /** Upstream cannot be reached: reset the client, or answer 502 where it asked a proxy. */
  readonly onUnreachable: 'reset' | 'badGateway'
  readonly stack: string | undefined
}

/** One client connection that speaks HTTP/1: its exchanges, and the WebSocket it may become. */
export class HttpConnection implements HttpClient, Doorway {
  readonly leg: Leg
  readonly #engine: EngineContext
  readonly #options: HttpConnectionOptions
  /** By origin; all but a forward proxy's clients have one. */
  readonly #upstreams = new Map<string, Promise<UpstreamLink>>()
  #link: UpstreamLink | undefined
  #count = 0
  #hasSwitched = false
  readonly #pipeline = new Pipeline()
  /** llhttp may complain more than once. */
  #refused = false
  /** Sides that are not to notice what a rule has done to the other. */
  readonly #spared = new Set<Side>()
  #http: Http1Upstream | undefined
  #origin: string | undefined

  constructor(engine: EngineContext, options: HttpConnectionOptions) {
    this.#engine = engine
    this.#options = options
    this.leg = options.client
    const { stream } = options.client
    stream.on('end', () => this.#passEnd())
    stream.on('close', () => {
      if (this.#hasSwitched) return
      this.#pipeline.abandonWaiting('the connection ended before its turn came')
      if (this.#spared.has('server')) return
      if (this.leg.wasReset) this.#link?.leg.reset()
      else this.#link?.destroy()
    })
    engine.front.serve(this)
  }

  onRequest(request: IncomingMessage, response: ExactResponse): void {
    if (this.#turnsAway(request)) return
    const scope = this.#admit()
    if (scope === 'ended') return
    const { target, requestTarget, headers: rawHeaders } = this.#options.locate('http', request)
    const client = new Http1Client(request, response, this.leg)
    const exchange = new RunningExchange(this.#engine, client, {
      scope,
      target,
      onward: { method: client.head.method, requestTarget, rawHeaders, version: client.version },
      openUpstream: () => this.#openHttp(target),
      onUnreachable: this.#options.onUnreachable,
      cutUpstream: cut => this.#cutUpstream(cut),
      spare: side => this.#spared.add(side),
      onOver: failure => this.#exchangeOver(failure),
    })
    this.#pipeline.add(exchange)
  }

  onUpgrade(request: IncomingMessage, head: Buffer): void {
    if (this.#turnsAway(request)) return
    const scope = this.#admit()
    if (scope === 'ended') return
    this.#hasSwitched = true
    const early = new EarlyBytes(this.leg.stream, head)
    const settled =
      scope && isWebSocket(request)
        ? openWebSocket(this.#engine, this, request, early, scope, this.#options.locate('ws', request))
        : upgradeBlindly(this, request, early, this.#options.locate('http', request))
    settled.catch((error: unknown) => {
      this.#giveUp(error)
    })
  }

  onConnect(request: IncomingMessage, head: Buffer): void {
    if (this.#turnsAway(request)) return
    this.#hasSwitched = true
    if (this.#options.onConnect) return this.#options.onConnect(request, head)
    connectBlindly(this, request, head, this.#options.locate('http', request)).catch((error: unknown) => this.#giveUp(error))
  }

  onMalformed(error: Error): void {
    // The client's FIN has come in the middle of a request: it is passed on, and upstream says what is to become of it.
    if ('code' in error && error.code === 'HPE_INVALID_EOF_STATE') {
      if (this.#link) this.#link.leg.end()
      else this.leg.end()
      return
    }
    if (this.#refused) return
    this.#refused = true
    const code = 'code' in error ? String(error.code) : ''
    const { stream } = this.leg
    if (code.startsWith('HPE_')) {
      const { host, port } = this.#options.destination
      const text = `refused a malformed request of the client of ${host}:${port} (${code}): ${error.message}`
      this.#engine.note(undefined, this.#options.scopeOf(this.#count), text)
      this.#pipeline.current?.abandon(`the client's request is malformed: ${error.message}`)
    }
    // What Node's own server does with what llhttp refuses; an answer that has begun is not mixed with another.
    const answering: unknown = Reflect.get(stream, '_httpMessage')
    const hasBegun = answering instanceof ServerResponse && answering.headersSent
    if (!stream.writable || isReset(error) || hasBegun) return this.leg.destroy()
    if (this.#options.onUnreachable === 'badGateway') {
      return this.#endWith({
        status: code === 'HPE_HEADER_OVERFLOW' ? 431 : 400,
        text: `Midwire refused a malformed request (${code}): ${error.message}`,
      })
    }
    stream.end(
      `HTTP/1.1 ${code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'}\r\nConnection: close\r\n\r\n`,
    )
    stream.resume()
  }

  /** True for a request that is not served, which ends the connection. */
  #turnsAway(request: IncomingMessage): boolean {
    const refusal = this.#refused ? undefined : this.#options.refuse?.(request)
    if (!refusal) return this.#refused
    this.#refused = true
    request.resume()
    // Answers keep their order: there is no place for this one.
    if (!this.#pipeline.isEmpty) this.leg.destroy()
    else this.#endWith(refusal)
    return true
  }

  #endWith(answer: PlainAnswer): void {
    const { stream } = this.leg
    stream.end(plainAnswer(answer))
    stream.resume()
  }

  /** The scope of the next request, or 'ended' if its test is over: then the connection is refused. */
  #admit(): Scope | undefined | 'ended' {
    const scope = this.#options.scopeOf(this.#count++)
    this.leg.road?.passTo(scope)
    if (!scope?.ended) return scope
    this.#engine.leak({ scope, ...this.#options.destination, stack: this.#options.stack })
    this.leg.reset()
    return 'ended'
  }

  get client(): Leg {
    return this.leg
  }

  get unreachableStatus(): number | undefined {
    return this.#options.onUnreachable === 'badGateway' ? 502 : undefined
  }

  get link(): UpstreamLink | undefined {
    return this.#link
  }

  openUpstream(target: Target, to: Upstream): Promise<Leg> {
    return this.#options.openUpstream(target, to)
  }

  replaceLink(leg: Leg): UpstreamLink {
    this.#link?.destroy()
    this.leg.road?.join(leg)
    return (this.#link = new UpstreamLink(leg))
  }

  openLink(target: Target): Promise<UpstreamLink> {
    const origin = originOf(target)
    const opened = this.#upstreams.get(origin)
    if (opened) return opened
    const opening = this.#options.openUpstream(target).then(leg => {
      this.leg.road?.join(leg, target)
      return this.#follow(new UpstreamLink(leg), origin)
    })
    this.#upstreams.set(origin, opening)
    opening.catch(() => this.#upstreams.delete(origin))
    return opening
  }

  #exchangeOver(failure: string | undefined): void {
    this.#pipeline.over()
    if (failure !== undefined) return
    const next = this.#pipeline.takeNext()
    const isGone = this.#link?.isOver === true && !this.#spared.has('client')
    if (!isGone || (next && this.#options.onUnreachable === 'badGateway')) {
      if (next) this.#pipeline.begin(next)
      else if (this.leg.stream.readableEnded) this.#endAfterLast()
      return
    }
    next?.abandon('the upstream connection ended before its turn came')
    if (this.#link) this.leg.endLike(this.#link.leg)
  }

  /** Upstream for one exchange: at once where it is connected already. */
  #openHttp(target: Target): UpstreamHttp | Promise<UpstreamHttp> {
    if (this.#http && this.#origin === originOf(target) && this.#http.link === this.#link && !this.#http.link.isOver) return this.#http
    return this.openLink(target).then(link => {
      this.#origin = originOf(target)
      return (this.#http = new Http1Upstream(link, () => this.#stray('a second response, and its connection was ended')))
    })
  }

  #stray(what: string): void {
    const { host, port } = this.#options.destination
    this.#engine.note(
      undefined,
      this.#options.scopeOf(this.#count - 1),
      `the server of ${host}:${port} sent what nobody had asked for: ${what}`,
    )
  }

  #cutUpstream({ how }: Cut): void {
    if (how === 'rst') this.#link?.leg.reset()
    else if (how === 'half') this.#link?.leg.end()
    else this.#link?.destroy()
  }

  /** The client's connection ends with its upstream's. */
  #follow(link: UpstreamLink, origin: string): UpstreamLink {
    if (this.leg.closed) {
      if (this.leg.wasReset) link.leg.reset()
      else link.destroy()
      throw new Error('the client left while upstream was being dialled')
    }
    this.#link = link
    let isKnown = true
    // Once: another may have taken its place.
    const forget = (): void => {
      if (isKnown) this.#upstreams.delete(origin)
      isKnown = false
    }
    // A server that gives up on an idle client says so, with a 408 (RFC 9110 §15.5.9), say: the client is to see it.
    const pass = (bytes: Buffer): void => {
      this.#stray(`${bytes.length} bytes, which were ${this.#pipeline.isEmpty ? '' : 'not '}passed on`)
      // An answer that is under way is not mixed with it.
      if (this.#pipeline.isEmpty) this.leg.stream.write(bytes)
    }
    const end = (): void => {
      if (this.#pipeline.isEmpty) this.leg.end()
    }
    if (this.#options.onUnreachable === 'reset') link.whenIdle({ onBytes: pass, onEnd: end })
    else {
      // What is asked next is asked on another.
      const drop = (): void => {
        forget()
        link.destroy()
      }
      link.whenIdle({ onBytes: drop, onEnd: drop })
    }
    link.leg.stream.on('close', () => {
      forget()
      if (this.#spared.delete('client')) return
      if (this.#hasSwitched || !this.#pipeline.isEmpty || this.#options.onUnreachable === 'badGateway') return
      this.leg.endLike(link.leg)
    })
    return link
  }

  /** The client's FIN reaches upstream as its FIN, behind its last request (RFC 9112 §9.6): it may still want its answers. */
  #passEnd(): void {
    if (this.#hasSwitched) return
    const { current, last } = this.#pipeline
    if (last && !last.over) last.whenAsked(() => this.#link?.leg.end())
    else this.#endAfterLast()
    current?.clientEnded(this.#options.hasClosed?.() ?? false)
  }

  /** The client will ask for nothing more, and has got all its answers. */
  #endAfterLast(): void {
    this.#link?.leg.end()
    // Somebody else's connection ends as they like; ours is ours to end.
    if (!this.#link || this.#options.onUnreachable === 'badGateway') this.leg.end()
  }

  /** Upstream cannot be reached, after the client was accepted: a reset tells it so, or an answer if it asked a proxy. */
  #giveUp(error: unknown): void {
    this.#engine.note(undefined, this.#options.scopeOf(this.#count - 1), `no upstream connection: ${nameOf(error)}`)
    if (this.#options.onUnreachable === 'badGateway' && this.leg.stream.writable) {
      this.#endWith({ status: 502, text: `Midwire could not reach the upstream server: ${String(error)}` })
    } else this.leg.reset()
    this.#link?.destroy()
  }

  async relayRefusal(request: IncomingMessage, early: EarlyBytes, answer: IncomingMessage): Promise<void> {
    const response = this.#engine.front.responseFor(request, this.leg.stream)
    await relayRefusal(answer, response)
    if (!this.leg.stream.writable) return
    // The connection goes back to HTTP: a client may ask again on it.
    response.detachSocket(this.leg.stream)
    const head = early.take()
    if (head.length > 0) this.leg.stream.unshift(head)
    this.#hasSwitched = false
    this.#engine.front.serve(this)
    if (this.#link?.leg.closed) this.leg.endLike(this.#link.leg)
  }
}

function originOf({ host, port, secure }: Target): string {
  return `${secure ? 'https' : 'http'}://${host}:${port}`
}
