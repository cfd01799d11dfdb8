import type { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClientRequest } from 'node:http'
import type { ClientHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'
import type { Scope } from '../scope.ts'
import type { ClientTls } from '../tls/client-tls.ts'
import { EarlierSockets } from './earlier-sockets.ts'
import { isDialled } from './nodes-connect.ts'

interface UndiciRequest {
  readonly method: string
  readonly origin: string | URL
  readonly path: string
}

/**
 * Remembers whose request goes out on which socket, and in which order, from what Node and undici publish about them. Nothing is added
 * to any request.
 */
export class Attribution {
  readonly #scopes: AsyncLocalStorage<Scope | undefined>
  readonly #clientTls: ClientTls
  /** Whose request it is: the scope of the code that made it. */
  readonly #made = new WeakMap<object, { readonly scope: Scope | undefined }>()
  /** Whose requests were written to a socket, in order. */
  #written = new WeakMap<Socket, (Scope | undefined)[]>()
  /** Whose HTTP/2 streams those of a socket are, by id, until they are asked for. */
  #streams = new WeakMap<Socket, Map<number, Scope | undefined>>()
  /** Whose request undici is about to send, and where: over HTTP/2 it makes the stream in the same turn, maybe in another's context. */
  #announced: { readonly base: Socket; readonly scope: Scope | undefined } | undefined
  /** Sockets that an interceptor plays; what it passes on goes out on another with the same handle. */
  readonly #played = new Set<WeakRef<Socket>>()
  readonly #earlier: EarlierSockets
  #installed = false
  readonly #channels: readonly (readonly [string, (message: unknown) => void])[]

  constructor(scopes: AsyncLocalStorage<Scope | undefined>, clientTls: ClientTls) {
    this.#scopes = scopes
    this.#clientTls = clientTls
    this.#earlier = new EarlierSockets(() => this.#installed && scopes.getStore() !== undefined)
    this.#channels = [
      ['undici:request:create', message => this.#requestMade((message as { request: object }).request)],
      ['undici:client:sendHeaders', message => this.#undiciHead(message as { request: UndiciRequest; socket: Socket })],
      ['http.client.request.created', message => this.#clientRequestMade((message as { request: ClientRequest }).request)],
      ['http2.client.stream.start', message => this.#streamStarted((message as { stream: ClientHttp2Stream }).stream)],
    ]
  }

  watch(): void {
    this.#earlier.watch()
    for (const [name, listener] of this.#channels) subscribe(name, listener)
  }

  unwatch(): void {
    for (const [name, listener] of this.#channels) unsubscribe(name, listener)
    this.#earlier.unwatch()
  }

  /** While something is installed, no request of a test may go out on a socket opened before. */
  demandCapture(installed: boolean): void {
    if (installed && !this.#installed) this.#earlier.begin()
    this.#installed = installed
  }

  /** A socket begins to connect: what it carried before, if it was used before, does not count. */
  opened(socket: Socket): void {
    this.#earlier.opened(socket)
    this.#written.delete(socket)
    this.#streams.delete(socket)
    if (Object.hasOwn(socket, '_writeGeneric')) this.#played.add(new WeakRef(socket))
  }

  /** Whose request is the k-th on this socket; `opener` where nobody published it. */
  exchangeScope(socket: Socket, k: number, opener: Scope | undefined): Scope | undefined {
    const scopes = this.#written.get(socket) ?? this.#writtenAbove(socket)
    return scopes && k < scopes.length ? scopes[k] : opener
  }

  /** Whose request is the stream `id` of this socket, asked for once; `opener` where nobody published it. */
  streamScope(socket: Socket, id: number, opener: Scope | undefined): Scope | undefined {
    const streams = this.#streams.get(socket)
    if (!streams?.has(id)) return opener
    const scope = streams.get(id)
    streams.delete(id)
    return scope
  }

  #requestMade(request: object): void {
    this.#made.set(request, { scope: this.#scopes.getStore() })
  }

  #clientRequestMade(request: ClientRequest): void {
    this.#requestMade(request)
    // An agent lends a socket to one request at a time, so the order of lending is that of the exchanges.
    request.once('socket', socket => {
      const base = this.#headWritten(request, socket)
      if (base) request.destroy(this.#earlier.error(`${request.method} ${request.protocol}//${request.host}${request.path}`, base))
    })
  }

  #undiciHead({ request, socket }: { readonly request: UndiciRequest; readonly socket: Socket }): void {
    const base = this.#headWritten(request, socket)
    this.#announced = { base: this.#clientTls.baseOf(socket), scope: this.#made.get(request)?.scope }
    if (base) socket.destroy(this.#earlier.error(`${request.method} ${String(request.origin)}${request.path}`, base))
  }

  /** The stream has got its id, and its head is written, in the async context of the code that made it. */
  #streamStarted(stream: ClientHttp2Stream): void {
    const base = this.#baseOfStream(stream)
    const { id } = stream
    if (!base || id === undefined || isDialled(base)) return
    const { scope } = this.#announced?.base === base ? this.#announced : { scope: this.#scopes.getStore() }
    this.#announced = undefined
    const streams = this.#streams.get(base)
    if (streams) streams.set(id, scope)
    else this.#streams.set(base, new Map([[id, scope]]))
    if (!this.#installed || !scope || !this.#earlier.includes(base)) return
    const { ':method': method, ':path': path } = stream.sentHeaders
    stream.destroy(this.#earlier.error(`${String(method)} ${String(path)} over HTTP/2`, base))
  }

  #baseOfStream({ session }: ClientHttp2Stream): Socket | undefined {
    if (!session || session.destroyed) return undefined
    // `session.socket` stands for the socket; its methods are the socket's own, and this one does nothing but return it.
    const socket = session.socket.off('midwire', () => {})
    return this.#clientTls.baseOf(socket)
  }

  /** Returns the socket that connected if it was opened too early for this request. */
  #headWritten(request: object, socket: Socket): Socket | undefined {
    const scope = this.#made.get(request)?.scope
    const base = this.#clientTls.baseOf(socket)
    const scopes = this.#written.get(base)
    if (scopes) scopes.push(scope)
    else this.#written.set(base, [scope])
    return this.#installed && scope && this.#earlier.includes(base) ? base : undefined
  }

  #writtenAbove(socket: Socket): (Scope | undefined)[] | undefined {
    const handle: unknown = Reflect.get(socket, '_handle')
    for (const ref of this.#played) {
      const played = ref.deref()
      if (!played) this.#played.delete(ref)
      else if (handle && Reflect.get(played, '_handle') === handle) return this.#written.get(played)
    }
    return undefined
  }
}
