import type { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'
import type { Scope } from '../scope.ts'
import { ClientTls } from '../tls/client-tls.ts'
import { Trust, type Trusted } from '../tls/trust.ts'
import { AttemptHold } from './attempt-hold.ts'
import { Attribution } from './attribution.ts'
import { CapturedSocket } from './captured-socket.ts'
import type { Captured } from './captured-socket.ts'
import { dialOptions, isTcpConnect, readConnectCall } from './connect-options.ts'
import { LookupHold } from './hold.ts'
import type { CaptureTarget } from './inbound.ts'
import { type Landing, Loopback } from './loopback.ts'
import { isNodesOwn, isOwnCall } from './nodes-connect.ts'
import type { Connect } from './nodes-connect.ts'
import { Patch } from './patch.ts'

/** What is installed for one target. */
export interface Installation {
  /** Takes back what was installed for it; resolves once no new connection can reach the target. */
  uninstall(): Promise<void>
}

export interface InstallOptions {
  readonly authority: Trusted
  readonly target: CaptureTarget
  /** Where its clients' sockets connect to. @default a listener of this thread, whose ends of them it is given */
  readonly landing?: Landing
}

interface Installed {
  readonly target: CaptureTarget
  readonly landing: Landing
}

/** Sends every TCP connection of this thread through the targets, while there are any. */
export class Capture {
  readonly #scopes: AsyncLocalStorage<Scope | undefined>
  readonly #onIdle: () => void
  readonly #trust = new Trust()
  readonly #clientTls = new ClientTls(this.#trust)
  readonly #attribution: Attribution
  readonly #targets: Installed[] = []
  #listening: Promise<Loopback> | undefined
  #holders = 0

  readonly #hook = new Patch<Connect>(Socket.prototype, 'connect', below => {
    const take = (client: Socket, args: readonly unknown[]): boolean => this.#hook.wanted && this.#take(client, args)
    return function connect(this: Socket, ...args: Parameters<Connect>): Socket {
      return take(this, args) ? this : below.apply(this, args)
    }
  })

  /** `onIdle` is called when nothing is installed or placed any more. */
  constructor(scopes: AsyncLocalStorage<Scope | undefined>, onIdle: () => void) {
    this.#scopes = scopes
    this.#onIdle = onIdle
    this.#attribution = new Attribution(scopes, this.#clientTls)
  }

  /** Puts the hooks in place, passing everything through until something is installed; returns how to take them away. */
  place(): () => void {
    this.#hold()
    let placed = true
    return () => {
      if (placed) this.#release()
      placed = false
    }
  }

  /** From its resolution on, `target` is offered every connection of this thread. */
  async install({ authority, target, landing: own }: InstallOptions): Promise<Installation> {
    this.#hold()
    let landing = own
    try {
      landing ??= await (this.#listening ??= Loopback.listen())
    } catch (error) {
      this.#listening = undefined
      this.#release()
      throw error
    }
    this.#trust.add(authority)
    const installed = { target, landing }
    this.#targets.push(installed)
    this.#attribution.demandCapture(true)
    let uninstalled: Promise<void> | undefined
    return { uninstall: () => (uninstalled ??= this.#uninstall(authority, installed)) }
  }

  async #uninstall(authority: Trusted, installed: Installed): Promise<void> {
    this.#targets.splice(this.#targets.indexOf(installed), 1)
    this.#trust.remove(authority)
    if (this.#targets.length === 0) this.#attribution.demandCapture(false)
    const { landing } = installed
    const inUse = this.#targets.some(other => other.landing === landing)
    if (!inUse && landing instanceof Loopback) this.#listening = undefined
    this.#release()
    if (!inUse) await landing.close()
  }

  #hold(): void {
    if (this.#holders++ > 0) return
    // Ours goes to the bottom. Where another is there already, sockets are met one step later, when they have come through it.
    if (isNodesOwn(Socket.prototype.connect)) this.#hook.apply()
    subscribe('net.client.socket', this.#socketConnecting)
    this.#trust.watch()
    this.#clientTls.watch()
    this.#attribution.watch()
  }

  #release(): void {
    if (--this.#holders > 0) return
    this.#hook.remove()
    unsubscribe('net.client.socket', this.#socketConnecting)
    this.#attribution.unwatch()
    this.#clientTls.unwatch()
    this.#trust.unwatch()
    this.#onIdle()
  }

  /** Takes the socket over; false if it is not ours to take. */
  #take(client: Socket, args: readonly unknown[]): boolean {
    const installed = this.#choose()
    if (!installed || isPuppet(client) || isLayered(client)) return false
    const call = readConnectCall(args)
    if (!isTcpConnect(call.options)) return false
    const { host } = call.options
    const dial = dialOptions(call.options)
    const destination = { host: typeof host === 'string' && host !== '' ? host : 'localhost', port: dial.port }
    this.#offer(installed, { client, destination, dial, mirrored: true, hold: new LookupHold(client, call, installed.landing.port) })
    return true
  }

  /** Node is about to connect a socket, through our hook or past it. */
  readonly #socketConnecting = (message: unknown): void => {
    const { socket: client } = message as { socket: Socket }
    if (this.#targets.length === 0) return
    this.#attribution.opened(client)
    if (isOwnCall() || isPuppet(client) || isLayered(client)) return
    AttemptHold.watch(client, ({ hold, address, port }) => {
      const host: unknown = Reflect.get(client, '_host')
      const destination = { host: typeof host === 'string' ? host : address, port }
      const installed = this.#choose()
      if (installed) this.#offer(installed, { client, destination, dial: { host: address, port }, mirrored: false, hold })
      else hold.fail(new Error('the proxy was stopped while this connection was being opened'))
    })
  }

  /** Whose target takes a connection that is opened now. */
  #choose(): Installed | undefined {
    const scope = this.#scopes.getStore()
    return (scope && this.#targets.findLast(({ target }) => target.owns(scope))) ?? this.#targets.at(-1)
  }

  #offer({ target, landing }: Installed, captured: Omit<Captured, 'scope' | 'caller'>): void {
    const scope = this.#scopes.getStore()
    const context = { landing, attribution: this.#attribution, clientTls: this.#clientTls }
    target.open(new CapturedSocket(context, { ...captured, scope, caller: scope && callStack() }))
  }
}

/** An interceptor on top of us has replaced this socket's own methods: it plays the connection, and what it passes on is another socket. */
function isPuppet(socket: Socket): boolean {
  return Object.hasOwn(socket, 'connect') || Object.hasOwn(socket, '_writeGeneric')
}

/** TLS over a socket that is still connecting: Node itself does nothing then. */
function isLayered(socket: Socket): boolean {
  const parent: unknown = Reflect.get(socket, '_parent')
  return parent instanceof Socket && parent.connecting
}

/** Deep enough to reach the test through an HTTP client. Its text is made only if somebody asks. */
function callStack(): Error {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 50
  try {
    return new Error('opened here')
  } finally {
    Error.stackTraceLimit = stackTraceLimit
  }
}
