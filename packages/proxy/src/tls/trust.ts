import { Socket } from 'node:net'
import { syncBuiltinESMExports } from 'node:module'
import tls from 'node:tls'
import type { ConnectionOptions, SecureContext, SecureContextOptions } from 'node:tls'
import { original } from '../capture/original.ts'
import { Patch } from '../capture/patch.ts'
import { MidwireError } from '../errors.ts'
import type { Authority } from './authority.ts'

type Options = Readonly<Record<string, unknown>>

/**
 * Makes the clients of this thread believe our authorities, with no file and no environment variable, and remembers the options they
 * meant, which the upstream leg uses as they are.
 */
export class Trust {
  readonly #authorities = new Map<Authority, number>()
  /** Options of every secure context made while we watched. */
  readonly #meant = new WeakMap<SecureContext, Options>()
  /** TLS sockets over a socket that the client brought itself, and the options they were made with. */
  readonly #over = new WeakMap<Socket, { readonly tls: tls.TLSSocket; readonly options: Options }>()
  /** The default certificates without ours, while ours are among them. */
  #defaults: readonly string[] | undefined
  readonly #under = new WeakMap<Socket, Socket>()
  #servers = 0

  readonly #createSecureContext = new Patch(tls, 'createSecureContext', (below: typeof tls.createSecureContext) => {
    return (options?: SecureContextOptions): SecureContext => this.#makeContext(below, options)
  })
  readonly #connect = new Patch(tls, 'connect', (below: typeof tls.connect) => {
    return ((...args: Parameters<typeof tls.connect>): tls.TLSSocket => this.#connecting(below, args)) as typeof tls.connect
  })
  readonly #setDefaults = new Patch(tls, 'setDefaultCACertificates', (below: typeof tls.setDefaultCACertificates) => {
    return (certificates: Parameters<typeof tls.setDefaultCACertificates>[0]): void => {
      const set = this.#defaults !== undefined
      this.#defaults = undefined
      below(certificates)
      if (set) this.#trustByDefault()
    }
  })
  readonly #serverContext = this.#serverSide('setSecureContext')
  readonly #serverAddContext = this.#serverSide('addContext')
  readonly #patches = [this.#createSecureContext, this.#connect, this.#setDefaults, this.#serverContext, this.#serverAddContext]

  /** Puts the wrappers in place; they only watch until an authority is added. */
  watch(): void {
    for (const patch of this.#patches) patch.apply()
    syncBuiltinESMExports()
  }

  /** Takes the wrappers away as far as others let us. */
  unwatch(): boolean {
    const removed = this.#patches.map((patch) => patch.remove()).every(Boolean)
    syncBuiltinESMExports()
    return removed
  }

  add(authority: Authority): void {
    this.#authorities.set(authority, (this.#authorities.get(authority) ?? 0) + 1)
    if (this.#defaults) this.#trustByDefault()
  }

  remove(authority: Authority): void {
    const users = (this.#authorities.get(authority) ?? 0) - 1
    if (users > 0) {
      this.#authorities.set(authority, users)
      return
    }
    this.#authorities.delete(authority)
    this.#forget()
  }

  /** The options that the client gave for TLS over this socket, as the upstream leg takes them. */
  upstreamOptions(client: Socket, options: Options): ConnectionOptions | undefined {
    const given = this.#given(client, options)
    if (!given) return undefined
    const context = given['secureContext'] as SecureContext | undefined
    const meant = (context && this.#meant.get(context)) ?? given
    const upstream: Record<string, unknown> = { ...given }
    for (const name of NOT_FOR_UPSTREAM) delete upstream[name]
    // Made as the client's own would have been without us, so that a server is believed if the client would have believed it.
    upstream['secureContext'] = original(tls.createSecureContext)(meant as SecureContextOptions)
    // Whom the client would have expected there, had it made the connection: Node asks the socket, and ours was dialled for it.
    upstream['host'] ??= Reflect.get(client, '_host') ?? undefined
    upstream['rejectUnauthorized'] ??= process.env['NODE_TLS_REJECT_UNAUTHORIZED'] !== '0'
    return upstream as ConnectionOptions
  }

  /** Why that client cannot believe us. */
  obstacle(client: Socket, options: Options, to: { readonly host: string; readonly port: number }): MidwireError | undefined {
    const context = this.#given(client, options)?.['secureContext'] as SecureContext | undefined
    if (!context || this.#meant.has(context)) return undefined
    return new MidwireError(
      'MIDWIRE_CAPTURE',
      `the TLS connection to ${to.host}:${to.port} uses a secureContext that was made before Midwire was installed, so it cannot trust ` +
        `Midwire's certificates; make it later, put midwire() into vitest.config.ts so that Midwire comes first, or set intercept: { ${JSON.stringify(to.host)}: false }`,
    )
  }

  /** The TLS socket over `client` if there is one, else `client`: the one whose failure its owner sees. */
  topOf(client: Socket): Socket {
    const over = this.#over.get(client)?.tls
    return over && !over.destroyed ? this.topOf(over) : client
  }

  /** The TCP socket under a TLS socket that the client put over its own; any other socket itself. */
  baseOf(socket: Socket): Socket {
    const under = this.#under.get(socket)
    return under ? this.baseOf(under) : socket
  }

  #given(client: Socket, options: Options): Options | undefined {
    return client instanceof tls.TLSSocket ? options : this.#over.get(client)?.options
  }

  #makeContext(below: typeof tls.createSecureContext, options: SecureContextOptions | undefined): SecureContext {
    const forServer = this.#servers > 0 || Reflect.get(options ?? {}, 'isServer') === true
    if (forServer || !this.#createSecureContext.wanted) return below(options)
    const ours = this.#certificates()
    if (!this.#defaults) this.#trustByDefault()
    const context = below(options?.ca && ours.length > 0 ? { ...options, ca: [options.ca, ours].flat() } : options)
    this.#meant.set(context, { ...options })
    return context
  }

  #connecting(below: typeof tls.connect, args: Parameters<typeof tls.connect>): tls.TLSSocket {
    const socket = below(...args)
    if (!this.#connect.wanted) return socket
    const options = args.find((arg): arg is ConnectionOptions => typeof arg === 'object' && arg !== null)
    const base: unknown = options?.socket
    if (base instanceof Socket) {
      this.#over.set(base, { tls: socket, options: { ...options } })
      this.#under.set(socket, base)
      lendPeerName(socket, base)
    }
    return socket
  }

  /** A server's context is its own: it must not ask clients for certificates of our authority. */
  #serverSide(name: 'setSecureContext' | 'addContext'): Patch<(this: tls.Server, ...args: never[]) => void> {
    const mark = (by: number): void => {
      this.#servers += by
    }
    return new Patch(tls.Server.prototype, name, (below) => {
      return function (this: tls.Server, ...args: never[]): void {
        mark(1)
        try {
          below.apply(this, args)
        } finally {
          mark(-1)
        }
      }
    })
  }

  #certificates(): string[] {
    return [...this.#authorities.keys()].map((authority) => authority.certificate)
  }

  // Takes 15 to 40 ms, so not before TLS is used.
  #trustByDefault(): void {
    const ours = this.#certificates()
    if (ours.length === 0) return
    const known = new Set(ours.map(body))
    const before = this.#defaults ?? tls.getCACertificates('default').filter((certificate) => !known.has(body(certificate)))
    original(tls.setDefaultCACertificates)([...before, ...ours])
    this.#defaults = before
  }

  #forget(): void {
    const before = this.#defaults
    if (!before) return
    if (this.#authorities.size > 0) return this.#trustByDefault()
    this.#defaults = undefined
    original(tls.setDefaultCACertificates)(before)
  }
}

/** Options of the client's own leg: stream, socket, resumption. What they say of the context is in `secureContext`. */
const NOT_FOR_UPSTREAM = ['socket', 'session', 'path', 'onread', 'signal', 'timeout', 'allowHalfOpen', 'highWaterMark', 'lookup', 'handle', 'fd', 'enableTrace', 'singleUse'] // prettier-ignore

/** A certificate's content, however its PEM is laid out. */
function body(certificate: string): string {
  return certificate.replace(/-----[^-]+-----|\s/g, '')
}

/** A TLS socket over the client's own socket shows the real peer too. */
function lendPeerName(socket: Socket, base: Socket): void {
  const lend = (): void => {
    const peer: unknown = Reflect.get(base, '_peername')
    if (peer) Reflect.set(socket, '_peername', peer)
  }
  if (base.connecting) base.once('connect', lend)
  else lend()
}
