import { type Socket, Socket as NetSocket, type TcpNetConnectOpts } from 'node:net'
import type { EngineContext } from '../engine-context.ts'
import { asError } from '../errors.ts'
import { takeIn } from '../io/intake.ts'
import type { Scope } from '../scope.ts'
import type { ConnectFailure } from './connect-failure.ts'
import type { Destination, Inbound } from './inbound.ts'
import { connectUpstream } from './nodes-connect.ts'

/**
 * A client that was told to use the proxy, by URL or by CONNECT: it is connected already, so that a failure can only reset it, and
 * nothing is known of its TLS options.
 */
export class ToldClient implements Inbound {
  readonly destination: Destination
  readonly scope: Scope | undefined
  readonly stack = undefined
  readonly gone: AbortSignal
  readonly #socket: Socket

  constructor(socket: Socket, destination: Destination, scope: Scope | undefined) {
    this.#socket = socket
    this.destination = destination
    this.scope = scope
    const gone = new AbortController()
    this.gone = gone.signal
    socket.once('close', () => gone.abort())
    socket.on('error', () => {
      // 'close' follows.
    })
  }

  exchangeScope(): Scope | undefined {
    return this.scope
  }

  streamScope(): Scope | undefined {
    return this.scope
  }

  tlsOptions(): undefined {
    return undefined
  }

  tlsObstacle(): undefined {
    return undefined
  }

  dial(to?: TcpNetConnectOpts): Promise<Socket> {
    return dialDirectly(to ?? this.destination)
  }

  accept(): Promise<Socket> {
    return Promise.resolve(this.#socket)
  }

  fail(_error?: Error): void {
    this.#socket.resetAndDestroy()
  }

  beginAttempt(): void {
    // It has made its own.
  }

  failAttempts({ error }: ConnectFailure): void {
    this.fail(error(this.destination.host, this.destination.port))
  }

  failLookup(error: Error): void {
    this.fail(error)
  }
}

/** Takes in a client that was told of the proxy; whatever goes wrong is told to it. */
export function takeInTold(engine: EngineContext, client: ToldClient): void {
  takeIn(engine, client).catch((error: unknown) => client.fail(asError(error)))
}

/** Connects past the capture. @throws the error of the socket */
export function dialDirectly(to: TcpNetConnectOpts): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = new NetSocket({ allowHalfOpen: true })
    socket.once('error', reject)
    connectUpstream(socket, { ...to, noDelay: true }, () => {
      socket.off('error', reject)
      resolve(socket)
    })
  })
}
