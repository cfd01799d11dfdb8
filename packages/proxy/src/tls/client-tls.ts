import { Socket } from 'node:net'
import tls from 'node:tls'
import type { ConnectionOptions, SecureContext, SecureContextOptions } from 'node:tls'
import { markReplacement, original } from '../capture/original.ts'
import { isDialled } from '../capture/nodes-connect.ts'
import { Patch } from '../capture/patch.ts'
import { MidwireError } from '../errors.ts'
import { contextKeys, ownKeys, type PortableTls, pickKeys } from './portable-tls.ts'
import type { Trust } from './trust.ts'

/** Options of the client's own leg. What they say of certificates, versions and ciphers is in `secureContext`. */
const NOT_FOR_UPSTREAM = [
  'socket', 'path', 'session', 'secureContext', 'lookup', 'timeout', 'signal', 'onread', 'allowHalfOpen', 'highWaterMark', 'enableTrace',
  'ca', 'cert', 'key', 'pfx', 'passphrase', 'crl',
] as const // prettier-ignore

type StartHandshake = (this: tls.TLSSocket) => void

/** Knows the TLS options that clients gave, and which TLS socket lies over which. */
export class ClientTls {
  readonly #trust: Trust
  readonly #over = new WeakMap<Socket, tls.TLSSocket>()
  readonly #under = new WeakMap<Socket, Socket>()
  readonly #begun = new WeakMap<Socket, () => void>()
  readonly #contexts = new Map<string, SecureContext>()

  // Where `tls.connect` begins its handshake. Its name itself may have been imported, and kept, before we came.
  readonly #start = new Patch<StartHandshake>(tls.TLSSocket.prototype, '_start', below => {
    const begin = (socket: tls.TLSSocket): void => {
      if (this.#start.wanted) this.#beginning(socket)
    }
    return function (this: tls.TLSSocket): void {
      begin(this)
      below.call(this)
    }
  })

  constructor(trust: Trust) {
    this.#trust = trust
  }

  watch(): void {
    this.#start.apply()
  }

  unwatch(): void {
    this.#start.remove()
    this.#contexts.clear()
  }

  /** The options that the client gave for TLS on this connection, as the upstream leg takes them. */
  upstreamOptions(client: Socket): ConnectionOptions | undefined {
    const socket = this.#tlsOf(client)
    const options = socket && connectOptionsOf(socket)
    if (!options) return undefined
    const upstream: ConnectionOptions = { ...options }
    for (const name of NOT_FOR_UPSTREAM) Reflect.deleteProperty(upstream, name)
    if (upstream.checkServerIdentity) upstream.checkServerIdentity = original(upstream.checkServerIdentity)
    // One that does not know our authority: a server is believed if the client would have believed it.
    const meant = options.secureContext ? this.#trust.meant(options.secureContext) : options
    upstream.secureContext = this.#contextOf(meant)
    // Whom the client would have expected: Node asks the socket, and ours was dialled by another name perhaps.
    const name: unknown = Reflect.get(client, '_host')
    if (upstream.host === undefined && typeof name === 'string') upstream.host = name
    return upstream
  }

  /** The same for an engine in another process: what can be told of them. */
  portableOptions(client: Socket): PortableTls | undefined {
    const socket = this.#tlsOf(client)
    const options = socket && connectOptionsOf(socket)
    if (!options) return undefined
    const meant = options.secureContext ? this.#trust.meant(options.secureContext) : options
    const check = options.checkServerIdentity
    return {
      ...pickKeys(options, ['rejectUnauthorized', 'servername', 'host']),
      context: pickKeys(meant ?? {}, [...ownKeys, ...contextKeys]),
      hasOwnCheck: check !== undefined && original(check) !== tls.checkServerIdentity,
    }
  }

  /** Most clients ask for nothing special: their context is made once, not for each connection. */
  #contextOf(meant: SecureContextOptions | undefined): SecureContext {
    const options: SecureContextOptions = { ...meant }
    // Node sets it for most connections, and closes such a context with its first one.
    Reflect.deleteProperty(options, 'singleUse')
    const make = (): SecureContext => original(tls.createSecureContext)(options)
    if (ownKeys.some(name => options[name] !== undefined)) return make()
    const key = JSON.stringify([this.#trust.defaultsVersion, ...contextKeys.map(name => options[name])])
    const context = this.#contexts.get(key) ?? make()
    this.#contexts.set(key, context)
    return context
  }

  /** Why the TLS client of this connection cannot be made to trust our authority. */
  obstacle(client: Socket, to: { readonly host: string; readonly port: number }): MidwireError | undefined {
    const socket = this.#tlsOf(client)
    const context = socket && connectOptionsOf(socket)?.secureContext
    if (!context) return undefined
    if (this.#trust.meant(context)) {
      this.#trust.extend(context)
      return undefined
    }
    return new MidwireError(
      'MIDWIRE_CAPTURE',
      `the TLS connection to ${to.host}:${to.port} uses a secureContext that was made before Midwire was installed, so it cannot trust ` +
        `Midwire's certificates; make it later, or let midwire() in vitest.config.ts put Midwire in place first, or tunnel the host with ` +
        `intercept: { ${JSON.stringify(to.host)}: false }`,
    )
  }

  /** Calls `fn` when a client puts TLS over its socket, before the first byte of that. */
  whenBegun(client: Socket, fn: () => void): void {
    this.#begun.set(client, fn)
  }

  /** The TLS socket over `socket` if there is one, else `socket`: the one whose failure its owner sees. */
  topOf(socket: Socket): Socket {
    const over = this.#over.get(socket)
    return over && !over.destroyed ? this.topOf(over) : socket
  }

  /** The socket that connected: that under a TLS socket which the client put over its own. */
  baseOf(socket: Socket): Socket {
    const under = this.#under.get(socket)
    return under ? this.baseOf(under) : socket
  }

  #tlsOf(client: Socket): tls.TLSSocket | undefined {
    return client instanceof tls.TLSSocket ? client : this.#over.get(client)
  }

  #beginning(socket: tls.TLSSocket): void {
    const base: unknown = Reflect.get(socket, '_parent')
    // The upstream leg itself.
    if (base instanceof Socket && isDialled(base)) return
    const options = connectOptionsOf(socket)
    if (options) this.#leaveIdentityToUpstream(options)
    if (!(base instanceof Socket) || this.#under.has(socket)) return
    this.#over.set(base, socket)
    this.#under.set(socket, base)
    this.#begun.get(base)?.()
    if (base.connecting) base.once('connect', () => lendPeerName(socket, base))
    else lendPeerName(socket, base)
  }

  /** The server's identity is asked for once, of the server's own certificate: the client may expect that very one. */
  #leaveIdentityToUpstream(options: ConnectionOptions): void {
    const given = options.checkServerIdentity
    if (!given || original(given) !== given) return
    const check: typeof given = (host, certificate) => (this.#trust.issued(certificate) ? undefined : given(host, certificate))
    markReplacement(check, given)
    options.checkServerIdentity = check
  }
}

/** The options that `tls.connect` made a socket with, its defaults filled in: Node keeps them on the socket. */
function connectOptionsOf(socket: tls.TLSSocket): ConnectionOptions | undefined {
  const key = Object.getOwnPropertySymbols(socket).find(symbol => symbol.description === 'connect-options')
  return key && (Reflect.get(socket, key) as ConnectionOptions | undefined)
}

/** A TLS socket over a captured one shows the same peer. */
function lendPeerName(socket: Socket, base: Socket): void {
  const peer: unknown = Reflect.get(base, '_peername')
  if (peer) Reflect.set(socket, '_peername', peer)
}
