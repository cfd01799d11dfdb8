import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream, type Settings } from 'node:http2'
import type { Destination } from '../capture/inbound.ts'
import type { EngineContext } from '../engine-context.ts'
import { runExchange } from '../http/exchange.ts'
import type { RequestHead, ServerListener, ServerSide, UpstreamHttp } from '../http/sides.ts'
import type { Target } from '../http/target.ts'
import { laterTurn } from '../io/clock.ts'
import type { Leg } from '../io/leg.ts'
import { reachable } from '../io/network.ts'
import type { Scope } from '../scope.ts'
import { Http2Client } from './http2-client.ts'
import { type GoAway, Http2Request, Http2Upstream } from './http2-upstream.ts'
import { limits, settingsForClient } from './limits.ts'
import { isWebSocketStream, openWebSocketStream } from './web-socket.ts'

export interface Http2ConnectionOptions {
  readonly client: Leg
  /** The leg that was dialled for the client before it was accepted, TLS included. */
  readonly dialled: Leg | undefined
  /** Where the client's socket wanted to go. */
  readonly destination: Destination
  /** What a request is about, and what upstream gets of its head. */
  readonly locate: (scheme: 'http' | 'ws', head: RequestHead) => { readonly target: Target; readonly onward: RequestHead }
  /** Whose request a stream is, by its id. */
  readonly scopeOf: (streamId: number) => Scope | undefined
  /** Opens the upstream leg for a target, TLS included. Called when the first request needs it. */
  readonly openUpstream: (target: Target) => Promise<Leg>
  readonly stack: string | undefined
}

/** One client connection that speaks HTTP/2: a session towards the client, and one towards upstream behind it (RFC 9113). */
export class Http2Connection {
  readonly #engine: EngineContext
  readonly #options: Http2ConnectionOptions
  readonly #client: Leg
  #session: ServerHttp2Session | undefined
  #upstream: Http2Upstream | undefined
  #opening: Promise<Http2Upstream> | undefined
  /** The client's stream for each of upstream's. */
  readonly #streams = new Map<Http2Request, number>()
  /** The newest of those that are over. */
  #lastClosed = { streamId: 0, id: 0 }
  #lastStreamId = 0
  #active = 0
  #clientEnd: 'rst' | 'fin' | undefined

  constructor(engine: EngineContext, options: Http2ConnectionOptions) {
    this.#engine = engine
    this.#options = options
    this.#client = reachable(options.client)
    const { stream } = this.#client
    stream.on('end', () => void this.#clientEnds('fin'))
    stream.on('close', () => void this.#clientEnds(this.#client.wasReset ? 'rst' : 'fin'))
    if (options.dialled) this.#follow(options.dialled)
    else this.#serve()
  }

  /** Answers the client's preface with upstream's SETTINGS, as far as they are known. */
  #serve(settings?: Settings): void {
    if (this.#client.closed || this.#session) return
    const session = performServerHandshake(this.#client.stream, { ...limits, settings: settingsForClient(settings) })
    this.#session = session
    session.on('stream', (stream, _headers, _flags, rawHeaders?: string[]) => this.#onStream(stream, rawHeaders ?? []))
    session.on('goaway', (code, _lastStreamId, opaqueData) => this.#upstream?.goAway(code, opaqueData))
    session.on('error', error => {
      this.#engine.note(undefined, this.#options.scopeOf(this.#lastStreamId), `the HTTP/2 connection broke: ${error.message}`)
    })
  }

  #onStream(stream: ServerHttp2Stream, rawHeaders: readonly string[]): void {
    const { id = 0 } = stream
    this.#lastStreamId = id
    const scope = this.#options.scopeOf(id)
    if (scope?.ended) {
      this.#engine.leak({ scope, ...this.#options.destination, stack: this.#options.stack })
      stream.on('error', () => {})
      return stream.close(constants.NGHTTP2_REFUSED_STREAM)
    }
    const client = new Http2Client(stream, rawHeaders, this.#client.road, () => this.#clientEnd ?? this.#upstream?.ended)
    const isWebSocket = isWebSocketStream(client.head)
    const { target, onward } = this.#options.locate(isWebSocket ? 'ws' : 'http', client.head)
    this.#client.road?.passTo(scope)
    this.#active++
    if (scope && isWebSocket) return this.#openWebSocket(client, scope, target, onward)
    runExchange(this.#engine, client, {
      scope,
      target,
      onward,
      onUnreachable: 'reset',
      openUpstream: () => {
        const upstream = this.#upstream ?? this.#open(target)
        if (upstream instanceof Http2Upstream) return this.#paired(upstream, client, id)
        return upstream.then(opened => this.#paired(opened, client, id))
      },
      onOver: () => {
        this.#active--
        this.#endWithUpstream()
      },
    })
  }

  #openWebSocket(client: Http2Client, scope: Scope, target: Target, onward: RequestHead): void {
    const openUpstream = async (): Promise<Http2Upstream> => this.#upstream ?? this.#open(target)
    client.onClosed(() => {
      this.#active--
      this.#endWithUpstream()
    })
    openWebSocketStream(this.#engine, { client, scope, target, onward, openUpstream }).catch((error: unknown) => {
      this.#engine.note(undefined, scope, `the WebSocket at ${target.url} cannot go on: ${String(error)}`)
      client.cut({ how: 'rst' })
    })
  }

  /** Upstream, as one stream of the client sees it. */
  #paired(upstream: Http2Upstream, client: Http2Client, id: number): UpstreamHttp {
    return {
      request: (head: RequestHead, listener: ServerListener): ServerSide => {
        const request = upstream.request(head, listener)
        if (request instanceof Http2Request) {
          this.#streams.set(request, id)
          request.onUnread(() => client.stopReading())
          request.onClosed(() => {
            this.#streams.delete(request)
            const { streamId = 0 } = request
            if (streamId > this.#lastClosed.streamId) this.#lastClosed = { streamId, id }
          })
        }
        return request
      },
    }
  }

  #open(target: Target): Promise<Http2Upstream> {
    this.#opening ??= this.#options.openUpstream(target).then(
      leg => this.#follow(leg),
      (error: unknown) => {
        // Upstream cannot be reached, after the client was accepted: only a reset tells it so.
        this.#client.reset()
        throw error
      },
    )
    return this.#opening
  }

  #follow(leg: Leg): Http2Upstream {
    const upstream = new Http2Upstream(reachable(leg))
    this.#upstream = upstream
    this.#client.road?.join(leg)
    upstream.onSettings(settings => {
      if (!this.#session) return this.#serve(settings)
      if (!this.#session.destroyed) this.#session.settings(settingsForClient(settings))
    })
    upstream.onGoAway(goAway => this.#passGoAway(goAway))
    upstream.onOver((_how, error) => {
      if (error)
        this.#engine.note(undefined, this.#options.scopeOf(this.#lastStreamId), `upstream's HTTP/2 connection broke: ${error.message}`)
      this.#endWithUpstream()
    })
    if (this.#clientEnd) upstream.leave(this.#clientEnd)
    return upstream
  }

  /** RFC 9113 §6.8: upstream's last stream, by the client's numbers. */
  #passGoAway({ code, lastStreamId, opaqueData }: GoAway): void {
    const session = this.#session
    if (!session || session.destroyed) return
    let last = this.#lastClosed.streamId <= lastStreamId ? this.#lastClosed.id : 0
    for (const [{ streamId = Infinity }, id] of this.#streams) if (streamId <= lastStreamId) last = Math.max(last, id)
    // Most that go away say first that they will, and name the highest number there is.
    session.goaway(code, lastStreamId === 2 ** 31 - 1 ? lastStreamId : last, opaqueData)
  }

  /** Once upstream's connection has ended, and what came of it was passed on, the client's ends alike. */
  #endWithUpstream(): void {
    const how = this.#upstream?.ended
    if (!how || this.#clientEnd || (how === 'fin' && this.#active > 0)) return
    if (how === 'rst') this.#client.reset()
    else void laterTurn().then(() => this.#client.end())
  }

  /** What the client sent before its end goes first. */
  async #clientEnds(how: 'rst' | 'fin'): Promise<void> {
    if (this.#clientEnd) return
    this.#clientEnd = how
    if (how === 'fin') await laterTurn()
    this.#upstream?.leave(how)
    this.#client.destroy()
  }
}
