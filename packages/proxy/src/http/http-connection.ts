import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Destination } from '../capture/inbound.ts'
import type { Upstream } from '../capture/route.ts'
import type { EngineContext } from '../engine-context.ts'
import { isReset, type Leg } from '../io/leg.ts'
import { tunnel } from '../io/tunnel.ts'
import type { Scope } from '../scope.ts'
import type { Side } from '../side.ts'
import { EarlyBytes } from './early-bytes.ts'
import { RunningExchange } from './exchange.ts'
import type { HttpClient } from './front.ts'
import { Http1Client } from './http1-client.ts'
import { Http1Upstream } from './http1-upstream.ts'
import { type PlainAnswer, plainAnswer } from './plain-answer.ts'
import type { Cut, UpstreamHttp } from './sides.ts'
import type { Target } from './target.ts'
import { askToUpgrade, isWebSocket, relayRefusal, type UpgradeAnswer, writeSwitch } from './upgrade.ts'
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
  #active = 0
  #hasSwitched = false
  #current: RunningExchange | undefined
  /** llhttp may complain more than once. */
  #refused = false
  /** Pipelined requests. */
  readonly #waiting: RunningExchange[] = []
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
      for (const exchange of this.#waiting.splice(0)) exchange.abandon('the connection ended before its turn came')
      if (this.#spared.has('server')) return
      if (this.leg.wasReset) this.#link?.leg.reset()
      else this.#link?.destroy()
    })
    engine.front.serve(this)
  }

  onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (this.#turnsAway(request)) return
    const scope = this.#admit()
    if (scope === 'ended') return
    const { target, requestTarget, headers: rawHeaders } = this.#options.locate('http', request)
    const client = new Http1Client(request, response, this.leg)
    const exchange = new RunningExchange(this.#engine, client, {
      scope,
      target,
      onward: { method: client.head.method, requestTarget, rawHeaders },
      openUpstream: () => this.#openHttp(target),
      onUnreachable: this.#options.onUnreachable,
      cutUpstream: cut => this.#cutUpstream(cut),
      spare: side => this.#spared.add(side),
      onOver: failure => this.#exchangeOver(failure),
    })
    // HTTP/1 answers in the order of asking (RFC 9112 §9.3.2): what is pipelined has its turn when the one before it is over.
    this.#active++
    if (this.#active === 1) this.#begin(exchange)
    else this.#waiting.push(exchange)
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
        : this.#upgradeBlindly(request, early)
    settled.catch((error: unknown) => {
      this.#giveUp(error)
    })
  }

  onConnect(request: IncomingMessage, head: Buffer): void {
    if (this.#turnsAway(request)) return
    this.#hasSwitched = true
    if (this.#options.onConnect) return this.#options.onConnect(request, head)
    const early = new EarlyBytes(this.leg.stream, head)
    const hasLeft = this.#followEnd(early)
    const { target } = this.#options.locate('http', request)
    this.openLink(target)
      .then(async link => {
        if (hasLeft()) return link.destroy()
        const onward = link.request('CONNECT', request.url ?? '', request.rawHeaders)
        const { promise, resolve, reject } = Promise.withResolvers<UpgradeAnswer>()
        onward.on('connect', (response, _socket, rest) => resolve({ kind: 'switched', response, head: rest }))
        onward.on('error', reject)
        onward.end()
        await this.#finishBlindly(request, early, link, await promise)
      })
      .catch((error: unknown) => this.#giveUp(error))
  }

  onMalformed(error: Error): void {
    // The client's FIN has come in the middle of a request: it is passed on, and upstream says what is to become of it.
    if ('code' in error && error.code === 'HPE_INVALID_EOF_STATE') {
      if (!this.#link) this.leg.end()
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
      this.#current?.abandon(`the client's request is malformed: ${error.message}`)
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
    if (this.#active > 0) this.leg.destroy()
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

  #begin(exchange: RunningExchange): void {
    this.#current = exchange
    exchange.start()
  }

  #exchangeOver(failure: string | undefined): void {
    this.#active--
    if (failure !== undefined) return
    const next = this.#waiting.shift()
    const isGone = this.#link?.leg.closed === true && !this.#spared.has('client')
    if (!isGone || (next && this.#options.onUnreachable === 'badGateway')) return next && this.#begin(next)
    next?.abandon('the upstream connection ended before its turn came')
    if (this.#link) this.leg.endLike(this.#link.leg)
  }

  /** Upstream for one exchange: at once where it is connected already. */
  #openHttp(target: Target): UpstreamHttp | Promise<UpstreamHttp> {
    if (this.#http && this.#origin === originOf(target) && this.#http.link === this.#link && !this.#http.link.leg.closed) return this.#http
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
    // A server that gives up on an idle client says so, with a 408 (RFC 9110 §15.5.9), say: the client is to see it.
    const pass = (bytes: Buffer): void => {
      this.#stray(`${bytes.length} bytes, which were passed on`)
      this.leg.stream.write(bytes)
    }
    if (this.#options.onUnreachable === 'reset') link.whenIdle({ onBytes: pass, onEnd: () => this.leg.end() })
    else link.whenIdle({ onBytes: () => link.destroy(), onEnd: () => link.destroy() })
    link.leg.stream.on('close', () => {
      this.#upstreams.delete(origin)
      if (this.#spared.delete('client')) return
      if (this.#hasSwitched || this.#active > 0 || this.#options.onUnreachable === 'badGateway') return
      this.leg.endLike(link.leg)
    })
    return link
  }

  /** The client's FIN reaches upstream as its FIN (RFC 9112 §9.6): it may still want its answers. */
  #passEnd(): void {
    if (this.#hasSwitched) return
    this.#link?.leg.end()
    this.#current?.clientLeft()
  }

  /** Upstream cannot be reached, after the client was accepted: a reset tells it so, or an answer if it asked a proxy. */
  #giveUp(error: unknown): void {
    this.#engine.note(undefined, this.#options.scopeOf(this.#count - 1), `no upstream connection: ${String(error)}`)
    if (this.#options.onUnreachable === 'badGateway' && this.leg.stream.writable) {
      this.#endWith({ status: 502, text: `Midwire could not reach the upstream server: ${String(error)}` })
    } else this.leg.reset()
    this.#link?.destroy()
  }

  /** An upgrade that is no WebSocket, or nobody's: relayed as it is, and tunnelled if upstream agrees. */
  async #upgradeBlindly(request: IncomingMessage, early: EarlyBytes): Promise<void> {
    const hasLeft = this.#followEnd(early)
    const locus = this.#options.locate('http', request)
    const link = await this.openLink(locus.target)
    if (hasLeft()) return link.destroy()
    await this.#finishBlindly(request, early, link, await askToUpgrade(request, locus.requestTarget, locus.headers, link))
  }

  /** While upstream is asked, a client that leaves takes its upstream leg with it; tells whether it has left. */
  #followEnd(early: EarlyBytes): () => boolean {
    let left = false
    early.onEnd(() => {
      left = true
      if (this.leg.wasReset) this.#link?.leg.reset()
      this.leg.end()
      this.#link?.destroy()
    })
    return () => left
  }

  async #finishBlindly(request: IncomingMessage, early: EarlyBytes, link: UpstreamLink, answer: UpgradeAnswer): Promise<void> {
    if (answer.kind === 'failed') return this.leg.endLike(link.leg)
    const { response } = answer
    if (answer.kind === 'refused' || (request.method === 'CONNECT' && response.statusCode !== 200))
      return this.relayRefusal(request, early, response)
    writeSwitch(this.leg, response, response.rawHeaders)
    if (answer.head.length > 0) link.leg.stream.unshift(answer.head)
    const head = early.take()
    if (head.length > 0) this.leg.stream.unshift(head)
    tunnel(this.leg, link.leg)
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
