import type { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { Scope } from '../scope.ts'
import type { Trust } from '../tls/trust.ts'

/**
 * Remembers whose request goes out on which socket, and in which order, from what Node and undici publish about them. Nothing is added
 * to any request.
 */
export class Attribution {
  readonly #scopes: AsyncLocalStorage<Scope | undefined>
  readonly #trust: Trust
  /** Whose request it is: the scope of the code that made it. */
  readonly #made = new WeakMap<object, { readonly scope: Scope | undefined }>()
  /** Whose requests were written to a TCP socket, in order. */
  readonly #written = new WeakMap<Socket, (Scope | undefined)[]>()
  readonly #channels: readonly (readonly [string, (message: unknown) => void])[]

  constructor(scopes: AsyncLocalStorage<Scope | undefined>, trust: Trust) {
    this.#scopes = scopes
    this.#trust = trust
    this.#channels = [
      ['undici:request:create', (message) => this.#requestMade((message as { request: object }).request)],
      ['undici:client:sendHeaders', (message) => this.#headWritten(message as { request: object; socket: Socket })],
      ['http.client.request.created', (message) => this.#clientRequestMade((message as { request: NodeJS.EventEmitter }).request)],
    ]
  }

  watch(): void {
    for (const [name, listener] of this.#channels) subscribe(name, listener)
  }

  unwatch(): void {
    for (const [name, listener] of this.#channels) unsubscribe(name, listener)
  }

  exchangeScope(socket: Socket, k: number, opener: Scope | undefined): Scope | undefined {
    const scopes = this.#written.get(socket)
    return scopes && k < scopes.length ? scopes[k] : opener
  }

  #requestMade(request: object): void {
    this.#made.set(request, { scope: this.#scopes.getStore() })
  }

  #clientRequestMade(request: NodeJS.EventEmitter): void {
    this.#requestMade(request)
    // An agent lends a socket to one request at a time, so the order of lending is that of the exchanges.
    request.once('socket', (socket: Socket) => this.#headWritten({ request, socket }))
  }

  #headWritten({ request, socket }: { readonly request: object; readonly socket: Socket }): void {
    const base = this.#trust.baseOf(socket)
    let scopes = this.#written.get(base)
    if (!scopes) this.#written.set(base, (scopes = []))
    scopes.push(this.#made.get(request)?.scope)
  }
}
