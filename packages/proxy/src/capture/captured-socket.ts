import { isIP, Socket } from 'node:net'
import { dialling } from './dialling.ts'
import type { BlockList, TcpNetConnectOpts } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import type { MidwireError } from '../errors.ts'
import type { Scope } from '../scope.ts'
import type { ClientTls } from '../tls/client-tls.ts'
import type { PortableTls } from '../tls/portable-tls.ts'
import type { Attribution } from './attribution.ts'
import { failAttempts, showAttempt } from './connect-failure.ts'
import type { ConnectFailure } from './connect-failure.ts'
import { STEPS } from './hold.ts'
import type { Hold } from './hold.ts'
import type { Destination, Inbound } from './inbound.ts'
import type { Landing } from './loopback.ts'
import { connectUpstream } from './nodes-connect.ts'

/** Whom a client's socket shows as its peer. */
export type Peer = Pick<Socket, 'remoteAddress' | 'remotePort' | 'remoteFamily' | 'destroy'>

/** What captured sockets of a thread share. */
export interface CaptureContext {
  readonly landing: Landing
  readonly attribution: Attribution
  readonly clientTls: ClientTls
}

/** What is known of one connection to be. */
export interface Captured {
  readonly client: Socket
  readonly hold: Hold
  readonly destination: Destination
  /** The client's options for reaching it. */
  readonly dial: TcpNetConnectOpts
  /** Whether the client must be shown the steps of that. */
  readonly mirrored: boolean
  readonly scope: Scope | undefined
  readonly caller: Error | undefined
}

/** One socket of a client whose `connect()` was called, waiting for the engine to say how it ends. */
export class CapturedSocket implements Inbound {
  readonly destination: Destination
  readonly scope: Scope | undefined
  readonly #context: CaptureContext
  readonly #captured: Captured
  readonly #gone = new AbortController()
  #accepted = false
  /** The client has been shown an attempt that nobody makes. */
  #begun = false

  constructor(context: CaptureContext, captured: Captured) {
    this.#context = context
    this.#captured = captured
    this.destination = captured.destination
    this.scope = captured.scope
    captured.client.once('close', this.#closed)
  }

  get stack(): string | undefined {
    return this.#captured.caller?.stack
  }

  get gone(): AbortSignal {
    return this.#gone.signal
  }

  hasClosed(): boolean {
    return this.#captured.client.destroyed
  }

  exchangeScope(k: number): Scope | undefined {
    return this.#context.attribution.exchangeScope(this.#captured.client, k, this.scope)
  }

  streamScope(id: number): Scope | undefined {
    return this.#context.attribution.streamScope(this.#captured.client, id, this.scope)
  }

  tlsOptions(): ConnectionOptions | undefined {
    return this.#context.clientTls.upstreamOptions(this.#captured.client)
  }

  tlsObstacle(): MidwireError | undefined {
    return this.#context.clientTls.obstacle(this.#captured.client, this.destination)
  }

  dial(to?: TcpNetConnectOpts): Promise<Socket> {
    const { client, dial } = this.#captured
    const { keepAlive, keepAliveInitialDelay } = dial
    const blockList = to ? undefined : (Reflect.get(client, 'blockList') as BlockList | undefined)
    const upstream = new Socket({
      allowHalfOpen: true,
      noDelay: true,
      ...(keepAlive && { keepAlive, keepAliveInitialDelay }),
      ...(blockList && { blockList }),
    })
    if (this.#captured.mirrored && !to) mirror(upstream, client)
    return dialling(upstream, this.gone, failed => begin(upstream, to ?? dial, failed))
  }

  accept(upstream?: Peer): Promise<Socket> {
    const { promise, resolve, reject } = Promise.withResolvers<Socket>()
    if (this.gone.aborted || this.#accepted || this.#captured.hold.over) {
      upstream?.destroy()
      reject(this.gone.reason ?? new Error('the connection was accepted before, or given up for another address'))
      return promise
    }
    // Within connect() nobody listens yet; Node waits a tick in the same place.
    if (!upstream) process.nextTick(() => this.beginAttempt())
    this.#accepted = true
    const { client, hold } = this.#captured
    Reflect.set(client, '_peername', peerName(this.destination, upstream))
    hold.toLoopback(this.#context.landing.port)
    const giveUp = this.#context.landing.expect(client, end => {
      this.gone.removeEventListener('abort', aborted)
      client.off('close', this.#closed)
      resolve(end)
    })
    const aborted = (): void => {
      giveUp()
      upstream?.destroy()
      reject(this.gone.reason)
    }
    this.gone.addEventListener('abort', aborted)
    return promise
  }

  /** What the client said of TLS, for an engine in another process; `undefined` before it has begun TLS. */
  get tls(): PortableTls | undefined {
    return this.#context.clientTls.portableOptions(this.#captured.client)
  }

  /** Calls `fn` when the client puts TLS over its socket, before the first byte of that. */
  whenTlsBegins(fn: () => void): void {
    this.#context.clientTls.whenBegun(this.#captured.client, fn)
  }

  /** How the client asked to be connected. */
  get dialOptions(): TcpNetConnectOpts {
    return this.#captured.dial
  }

  /** Whether the process must not end before it is known how the connect ends. */
  get keepsProcessAlive(): boolean {
    return keepsProcessAlive(this.#captured.client)
  }

  /** Shows the client what happens on the way elsewhere. */
  showStep(step: string, args: readonly unknown[]): void {
    const { client, mirrored } = this.#captured
    if (mirrored && !client.destroyed) client.emit(step, ...args)
  }

  fail(error: Error): void {
    const { client, hold } = this.#captured
    if (!this.#accepted) return client.destroyed ? undefined : hold.fail(error)
    const top = this.#context.clientTls.topOf(client)
    if (!top.destroyed) top.destroy(error)
  }

  beginAttempt(): void {
    const { client, dial, mirrored } = this.#captured
    if (mirrored && !client.destroyed && !this.#begun) showAttempt(client, dial, this.destination.host)
    this.#begun = true
  }

  failAttempts(failure: ConnectFailure): void {
    const { client, dial, mirrored } = this.#captured
    if (client.destroyed) return
    // Where an address is tried that Node has chosen, Node shows its attempts itself.
    if (mirrored) this.fail(failAttempts(client, dial, this.destination.host, { ...failure, begun: this.#begun }))
    else this.fail(failure.error(dial.host ?? this.destination.host, dial.port))
  }

  failLookup(error: Error): void {
    const { client, mirrored } = this.#captured
    if (client.destroyed) return
    if (mirrored) client.emit('lookup', error, undefined, undefined, this.destination.host)
    this.fail(error)
  }

  readonly #closed = (): void => {
    const { host, port } = this.destination
    this.#gone.abort(new Error(`the client gave up its connection to ${host}:${port}`))
  }
}

/** Options that make no sense, which only a target can give, fail as the rest does. */
function begin(upstream: Socket, options: TcpNetConnectOpts, failed: (error: Error) => void): void {
  try {
    connectUpstream(upstream, options)
  } catch (error) {
    failed(error as Error)
  }
}

/** Shows the client what happens on the way, as if it were its own doing. */
function mirror(upstream: Socket, client: Socket): void {
  for (const step of STEPS) {
    upstream.on(step, (...args: unknown[]) => {
      if (client.destroyed) return
      const attempted: unknown = Reflect.get(upstream, 'autoSelectFamilyAttemptedAddresses')
      if (attempted) Reflect.set(client, 'autoSelectFamilyAttemptedAddresses', attempted)
      client.emit(step, ...args)
    })
  }
  // A client that does not keep the process alive must not do so through us.
  process.nextTick(() => {
    if (!keepsProcessAlive(client)) upstream.unref()
  })
}

function keepsProcessAlive(client: Socket): boolean {
  const handle: unknown = Reflect.get(client, '_handle')
  if (typeof handle !== 'object' || handle === null) return true
  const tcp: unknown = client instanceof TLSSocket ? Reflect.get(handle, '_parent') : handle
  const hasRef: unknown = typeof tcp === 'object' && tcp !== null ? Reflect.get(tcp, 'hasRef') : undefined
  return typeof hasRef !== 'function' || Boolean(hasRef.call(tcp))
}

function peerName(destination: Destination, upstream: Peer | undefined): object {
  const family = isIP(destination.host)
  return {
    address: upstream?.remoteAddress ?? (family ? destination.host : '127.0.0.1'),
    port: upstream?.remotePort ?? destination.port,
    family: upstream?.remoteFamily ?? (family === 6 ? 'IPv6' : 'IPv4'),
  }
}
