import type { AsyncLocalStorage } from 'node:async_hooks'
import { Socket } from 'node:net'
import type { Scope } from '../scope.ts'
import type { Authority } from '../tls/authority.ts'
import { Trust } from '../tls/trust.ts'
import { Attribution } from './attribution.ts'
import { CapturedSocket } from './captured-socket.ts'
import type { Connect } from './captured-socket.ts'
import { isTcpConnect, readConnectCall } from './connect-options.ts'
import type { CaptureTarget } from './inbound.ts'
import { Loopback } from './loopback.ts'
import { Patch } from './patch.ts'

/** What is installed for one target. */
export interface Installation {
  /** Takes back what was installed for it; resolves once no new connection can reach the target. */
  uninstall(): Promise<void>
}

export interface InstallOptions {
  readonly authority: Authority
  readonly target: CaptureTarget
}

/** Sends every TCP connection of this thread through the targets, while there are any. */
export class Capture {
  readonly #scopes: AsyncLocalStorage<Scope | undefined>
  readonly #trust = new Trust()
  readonly #attribution: Attribution
  readonly #targets: CaptureTarget[] = []
  #loopback: Promise<Loopback> | undefined
  #listening: Loopback | undefined
  #holders = 0

  readonly #hook = new Patch<Connect>(Socket.prototype, 'connect', (below) => {
    const open = this.#open.bind(this)
    return function connect(this: Socket, ...args: Parameters<Connect>): Socket {
      return open(this, args, below) ? this : below.apply(this, args)
    }
  })

  constructor(scopes: AsyncLocalStorage<Scope | undefined>) {
    this.#scopes = scopes
    this.#attribution = new Attribution(scopes, this.#trust)
  }

  /** Puts the hook in place, passing everything through until something is installed; returns how to take it away. */
  place(): () => void {
    this.#hold()
    let held = true
    return () => {
      if (held) this.#release()
      held = false
    }
  }

  /** From its resolution on, `target` is offered every connection of this thread. */
  async install({ authority, target }: InstallOptions): Promise<Installation> {
    this.#hold()
    try {
      this.#listening = await (this.#loopback ??= Loopback.listen())
    } catch (error) {
      this.#loopback = undefined
      this.#release()
      throw error
    }
    this.#trust.add(authority)
    this.#targets.push(target)
    let uninstalled: Promise<void> | undefined
    return { uninstall: () => (uninstalled ??= this.#uninstall(authority, target)) }
  }

  async #uninstall(authority: Authority, target: CaptureTarget): Promise<void> {
    this.#targets.splice(this.#targets.indexOf(target), 1)
    this.#trust.remove(authority)
    this.#release()
    if (this.#targets.length > 0) return
    const loopback = this.#listening
    this.#loopback = this.#listening = undefined
    await loopback?.close()
  }

  #hold(): void {
    if (this.#holders++ > 0) return
    this.#hook.apply()
    this.#trust.watch()
    this.#attribution.watch()
  }

  #release(): void {
    if (--this.#holders > 0) return
    this.#hook.remove()
    this.#trust.unwatch()
    this.#attribution.unwatch()
  }

  /** Takes the socket over; false if it is not ours to take. */
  #open(client: Socket, args: readonly unknown[], connect: Connect): boolean {
    const loopback = this.#listening
    if (!loopback || this.#targets.length === 0 || isPuppet(client) || isLayered(client)) return false
    const call = readConnectCall(args)
    if (!isTcpConnect(call.options)) return false
    const scope = this.#scopes.getStore()
    const target = this.#targetFor(scope)
    if (!target) return false
    const context = { connect, loopback, attribution: this.#attribution, trust: this.#trust }
    target.open(new CapturedSocket(context, client, call, scope))
    return true
  }

  #targetFor(scope: Scope | undefined): CaptureTarget | undefined {
    return (scope && this.#targets.findLast((target) => target.owns(scope))) ?? this.#targets.at(-1)
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
