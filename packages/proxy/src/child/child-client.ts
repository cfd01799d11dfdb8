import { Socket, type LookupFunction, type TcpNetConnectOpts } from 'node:net'
import { dialling } from '../capture/dialling.ts'
import type { ConnectionOptions } from 'node:tls'
import type { ConnectFailure } from '../capture/connect-failure.ts'
import { STEPS } from '../capture/hold.ts'
import type { Destination, Inbound } from '../capture/inbound.ts'
import { connectUpstream } from '../capture/nodes-connect.ts'
import { MidwireError } from '../errors.ts'
import type { Scope } from '../scope.ts'
import { restoredTls } from '../tls/portable-tls.ts'
import type { FoundAddress, Opening, ToChild } from './letters.ts'
import { portableError } from './portable-error.ts'

type Omitted<T> = T extends unknown ? Omit<T, 'id'> : never

/** What a connection can tell the child that opens it. */
export type Answer = Omitted<ToChild>

/** How the engine deals with a socket in a child process. */
export interface ChildSocket {
  readonly opening: Opening
  readonly scope: Scope
  tell(answer: Answer): void
  /** Resolves with the engine's end once the child's socket has connected to it. */
  landed(): Promise<Socket>
  /** Has the child ask its own `lookup`. */
  lookUp(): Promise<readonly FoundAddress[]>
  /** Resolves once all has come that it told before now, or it is gone. */
  synced(): Promise<void>
  readonly gone: AbortSignal
}

/** One socket of a client in a child process, which waits to hear how its `connect()` ends. */
export class ChildClient implements Inbound {
  readonly destination: Destination
  readonly scope: Scope
  readonly stack = undefined
  readonly gone: AbortSignal
  readonly #socket: ChildSocket
  #failing: Promise<void> | undefined

  constructor(socket: ChildSocket) {
    this.#socket = socket
    this.scope = socket.scope
    this.gone = socket.gone
    const { host, port } = socket.opening
    this.destination = { host, port }
  }

  exchangeScope(): Scope {
    return this.scope
  }

  streamScope(): Scope {
    return this.scope
  }

  async tlsTold(): Promise<void> {
    // It may come after the ClientHello, which goes another way.
    if (!this.#socket.opening.tls) await this.#socket.synced()
  }

  tlsOptions(): ConnectionOptions | undefined {
    const { tls } = this.#socket.opening
    return tls && restoredTls(tls.options)
  }

  tlsObstacle(): MidwireError | undefined {
    const obstacle = this.#socket.opening.tls?.obstacle
    return obstacle === undefined ? undefined : new MidwireError('MIDWIRE_CAPTURE', obstacle)
  }

  async dial(to?: TcpNetConnectOpts): Promise<Socket> {
    const { dial, looksUp } = this.#socket.opening
    const lookup = !to && looksUp ? lookupOf(await this.#socket.lookUp()) : undefined
    const options = to ?? { ...this.destination, ...dial, ...(lookup && { lookup }) }
    const upstream = new Socket({ allowHalfOpen: true, noDelay: true })
    if (!to) this.#mirror(upstream)
    return dialling(upstream, this.gone, () => connectUpstream(upstream, options))
  }

  async accept(upstream?: Socket): Promise<Socket> {
    const { remoteAddress: address, remotePort: port, remoteFamily: family } = upstream ?? {}
    this.#socket.tell({ kind: 'accept', peer: upstream && { address, port, family } })
    try {
      return this.#endingAfterwards(await this.#socket.landed())
    } catch (error) {
      upstream?.destroy()
      throw error
    }
  }

  fail(error: Error): void {
    this.#socket.tell({ kind: 'fail', error: portableError(error) })
    this.#failing = this.#socket.synced()
  }

  beginAttempt(): void {
    this.#socket.tell({ kind: 'attempt' })
  }

  failAttempts({ addresses, begun, error }: ConnectFailure): void {
    const { host, port } = this.destination
    this.#socket.tell({
      kind: 'failAttempts',
      error: portableError(error(host, port)),
      ...(addresses && { addresses }),
      ...(begun !== undefined && { begun }),
    })
  }

  failLookup(error: Error): void {
    this.#socket.tell({ kind: 'failLookup', error: portableError(error) })
  }

  /** Why a connection failed goes another way than its end does, and must come first. */
  #endingAfterwards(end: Socket): Socket {
    const destroy = end._destroy.bind(end)
    end._destroy = (error, callback) => this.#afterFailure(() => destroy(error, callback))
    return end
  }

  #afterFailure(act: () => void): void {
    if (this.#failing) void this.#failing.then(act)
    else act()
  }

  /** Shows the child's client what happens on the way. */
  #mirror(upstream: Socket): void {
    for (const step of STEPS) {
      upstream.on(step, (...args: unknown[]) => {
        const shown = args.map(arg => (arg instanceof Error ? portableError(arg) : arg))
        this.#socket.tell({ kind: 'step', step, args: shown })
      })
    }
  }
}

function lookupOf(found: readonly FoundAddress[]): LookupFunction {
  return (_host, { all }, answer) => {
    const [first] = found
    if (all) answer(null, [...found])
    else answer(null, first?.address ?? '', first?.family ?? 4)
  }
}
