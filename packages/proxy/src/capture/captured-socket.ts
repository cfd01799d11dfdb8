import { isIP, Socket } from 'node:net'
import type { LookupFunction, TcpNetConnectOpts } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import type { MidwireError } from '../errors.ts'
import type { Scope } from '../scope.ts'
import type { Attribution } from './attribution.ts'
import { dialOptions } from './connect-options.ts'
import type { ConnectCall } from './connect-options.ts'
import type { Destination, Inbound } from './inbound.ts'
import type { Loopback } from './loopback.ts'
import type { Trust } from '../tls/trust.ts'

/** Node's own `net.Socket.prototype.connect`. */
export type Connect = (this: Socket, options: TcpNetConnectOpts, listener?: (...args: unknown[]) => void) => Socket

/** What a captured socket needs to know of its realm. */
export interface CaptureContext {
  readonly connect: Connect
  readonly loopback: Loopback
  readonly attribution: Attribution
  readonly trust: Trust
}

/** What happens on the way to the other end; shown on the client's socket as it happens on the upstream one. */
const STEPS = ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout'] as const

type LookupCallback = (error: Error | null, address: string, family: number) => void

/**
 * One socket of a client whose `connect()` was called. It is kept connecting, by Node's own means, through a lookup that is answered
 * with the loopback listener's address once the engine accepts: so writes, `end()`, `destroy()`, options and timeouts are Node's own.
 */
export class CapturedSocket implements Inbound {
  readonly destination: Destination
  readonly scope: Scope | undefined
  readonly stack: string | undefined
  readonly #context: CaptureContext
  readonly #client: Socket
  readonly #options: Readonly<Record<string, unknown>>
  readonly #gone = new AbortController()
  #answerLookup: LookupCallback | undefined
  #opening = true
  #accepting = false

  constructor(context: CaptureContext, client: Socket, call: ConnectCall, scope: Scope | undefined) {
    this.#context = context
    this.#client = client
    this.#options = { ...call.options }
    this.scope = scope
    const { host } = call.options
    this.destination = { host: typeof host === 'string' && host !== '' ? host : 'localhost', port: Number(call.options['port']) }
    this.stack = scope && new Error().stack
    this.#keepConnecting(call)
    client.once('close', this.#closed)
    queueMicrotask(() => {
      this.#opening = false
    })
  }

  get gone(): AbortSignal {
    return this.#gone.signal
  }

  exchangeScope(k: number): Scope | undefined {
    return this.#context.attribution.exchangeScope(this.#client, k, this.scope)
  }

  tlsOptions(): ConnectionOptions | undefined {
    return this.#context.trust.upstreamOptions(this.#client, this.#options)
  }

  tlsObstacle(): MidwireError | undefined {
    return this.#context.trust.obstacle(this.#client, this.#options, this.destination)
  }

  dial(to?: TcpNetConnectOpts): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    const options = to ?? dialOptions(this.#options)
    const blockList: unknown = Reflect.get(this.#client, 'blockList')
    // Set before the connect, as Node does for options of `net.connect`.
    const upstream = new Socket({ allowHalfOpen: true, ...socketOptions(this.#options), ...(blockList && !to ? { blockList } : {}) } as object)
    if (!to) this.#mirror(upstream)
    const abort = (): void => {
      upstream.destroy()
      reject(this.gone.reason)
    }
    const settle = (): void => {
      this.gone.removeEventListener('abort', abort)
      upstream.off('error', failed).off('connect', connected)
    }
    const failed = (error: Error): void => {
      settle()
      reject(error)
    }
    const connected = (): void => {
      settle()
      resolve(upstream)
    }
    upstream.once('error', failed).once('connect', connected)
    this.gone.addEventListener('abort', abort)
    if (this.gone.aborted) abort()
    else this.#context.connect.call(upstream, options)
    return promise
  }

  accept(upstream?: Socket): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    if (this.gone.aborted || this.#accepting) {
      reject(this.gone.reason ?? new Error('accepted twice'))
      return promise
    }
    this.#accepting = true
    const client = this.#client
    Reflect.set(client, '_peername', peerName(this.destination, upstream))
    this.#connectLoopback()
    const giveUp = this.#context.loopback.expect(client.localPort ?? -1, (end) => {
      this.gone.removeEventListener('abort', aborted)
      client.off('close', this.#closed)
      resolve(end)
    })
    const aborted = (): void => {
      giveUp()
      reject(this.gone.reason)
    }
    this.gone.addEventListener('abort', aborted)
    return promise
  }

  fail(error: Error): void {
    const failing = this.#context.trust.topOf(this.#client)
    if (failing.destroyed) return
    // Inside connect() nobody listens yet; Node waits a tick in the same place.
    if (this.#opening) process.nextTick(() => failing.destroy(error))
    else failing.destroy(error)
  }

  readonly #closed = (): void => {
    this.#gone.abort(new Error(`the client gave up its connection to ${this.destination.host}:${this.destination.port}`))
  }

  /** Calls Node's own connect, whose lookup does not return until `accept`. */
  #keepConnecting({ listener }: ConnectCall): void {
    const client = this.#client
    const knownHost: unknown = Reflect.get(client, '_host')
    const lookup = ((_host: string, _options: object, answer: LookupCallback) => {
      this.#answerLookup = answer
    }) as unknown as LookupFunction
    this.#context.connect.call(
      client,
      { host: 'midwire.invalid', port: this.#context.loopback.port, family: 4, autoSelectFamily: false, lookup },
      listener,
    )
    // Node keeps the name here, for TLS; for an IP literal it keeps what was there.
    Reflect.set(client, '_host', isIP(this.destination.host) ? knownHost : this.destination.host)
  }

  #connectLoopback(): void {
    const client = this.#client
    const blockList: unknown = Reflect.get(client, 'blockList')
    // These steps are our own; the client has been shown the real ones.
    const emit = Object.getOwnPropertyDescriptor(client, 'emit')
    const inherited = client.emit.bind(client) as (...args: unknown[]) => boolean
    Object.defineProperty(client, 'emit', {
      configurable: true,
      value: (...args: unknown[]) => !STEPS.some((step) => step === args[0]) && inherited(...args),
    })
    if (blockList) Reflect.set(client, 'blockList', undefined)
    try {
      this.#answerLookup?.(null, '127.0.0.1', 4)
    } finally {
      if (emit) Object.defineProperty(client, 'emit', emit)
      else Reflect.deleteProperty(client, 'emit')
      if (blockList) Reflect.set(client, 'blockList', blockList)
    }
  }

  #mirror(upstream: Socket): void {
    const client = this.#client
    for (const step of STEPS) {
      upstream.on(step, (...args: unknown[]) => {
        if (client.destroyed) return
        const attempted: unknown = Reflect.get(upstream, 'autoSelectFamilyAttemptedAddresses')
        if (attempted) Reflect.set(client, 'autoSelectFamilyAttemptedAddresses', attempted)
        client.emit(step, ...args)
      })
    }
    // Progress on the way counts as activity, as it does on a socket that dials for itself.
    upstream.on('lookup', () => Reflect.get(client, '_unrefTimer')?.call(client))
    process.nextTick(() => {
      if (!keepsProcessAlive(client)) upstream.unref()
    })
  }
}

function socketOptions(options: Readonly<Record<string, unknown>>): object {
  const { keepAlive, keepAliveInitialDelay } = options
  return { noDelay: true, ...(keepAlive ? { keepAlive, keepAliveInitialDelay } : {}) }
}

function peerName(destination: Destination, upstream: Socket | undefined): object {
  const family = isIP(destination.host)
  return {
    address: upstream?.remoteAddress ?? (family ? destination.host : '127.0.0.1'),
    port: upstream?.remotePort ?? destination.port,
    family: upstream?.remoteFamily ?? (family === 6 ? 'IPv6' : 'IPv4'),
  }
}

function keepsProcessAlive(client: Socket): boolean {
  const handle: unknown = Reflect.get(client, '_handle')
  if (typeof handle !== 'object' || handle === null) return true
  const tcp: unknown = client instanceof TLSSocket ? Reflect.get(handle, '_parent') : handle
  const hasRef: unknown = typeof tcp === 'object' && tcp !== null ? Reflect.get(tcp, 'hasRef') : undefined
  return typeof hasRef !== 'function' || Boolean(hasRef.call(tcp))
}
