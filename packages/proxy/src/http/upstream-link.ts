import { Agent, type ClientRequest, type RequestOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { Leg } from '../io/leg.ts'
import { ExactRequest, ExactRequest10, type HttpVersion } from './exact.ts'

// A proxy must not be stricter than the two ends: they have limits of their own.
const maxHeaderSize = 256 * 1024

/** What upstream does while nothing is asked of it. */
export interface IdleListener {
  /** Bytes that answer nothing, such as a 408 before a server hangs up. */
  onBytes(bytes: Buffer): void
  onEnd(): void
}

/** The one upstream connection behind a client's connection, reused for each of its requests, never pooled. */
export class UpstreamLink {
  readonly leg: Leg
  readonly #lender: Lender

  constructor(leg: Leg) {
    this.leg = leg
    this.#lender = new Lender(leg.stream)
  }

  /** Sends the head exactly as given: method, target, names and values in turn. */
  request(method: string, target: string, rawHeaders: readonly string[], version: HttpVersion = '1.1'): ClientRequest {
    const options: RequestOptions = {
      agent: this.#lender,
      method,
      path: target,
      headers: rawHeaders,
      setHost: false,
      maxHeaderSize,
      joinDuplicateHeaders: false,
    }
    const request = version === '1.0' ? new ExactRequest10(options) : new ExactRequest(options)
    // Node would leave out what is more than 2000 lines of a response, and say nothing.
    request.maxHeadersCount = 0
    return request
  }

  /** Listens between requests, from now on. */
  whenIdle(listener: IdleListener): void {
    this.#lender.whenIdle(listener)
  }

  /** True once nothing more can come on it. */
  get isOver(): boolean {
    return this.leg.closed || this.leg.stream.readableEnded
  }

  destroy(): void {
    this.leg.destroy()
  }
}

/**
 * Lends one socket to one request at a time, in the order of asking. Node's own agent ends a socket between two requests at whatever
 * comes in on it, so that a reset could not be told from an end.
 */
class Lender extends Agent {
  readonly #socket: Socket
  readonly #waiting: ClientRequest[] = []
  #borrower: ClientRequest | undefined
  #idle: IdleListener | undefined

  constructor(socket: Socket) {
    super({ keepAlive: true })
    this.#socket = socket
    socket.on('free', () => this.#lend(this.#waiting.shift()))
    socket.on('close', () => {
      for (const request of this.#waiting.splice(0)) this.#refuse(request)
    })
  }

  /** What Node calls for a request that needs a socket. */
  addRequest(request: ClientRequest): void {
    if (this.#socket.destroyed) this.#refuse(request)
    else if (this.#borrower) this.#waiting.push(request)
    else this.#lend(request)
  }

  whenIdle(listener: IdleListener): void {
    this.#idle = listener
    if (!this.#borrower) this.#listen()
  }

  /** What Node's own agent does: destroyed, a request would wait for a socket to tell of its failure. */
  #refuse(request: ClientRequest): void {
    Reflect.apply(request.onSocket, request, [null, new Error('the upstream connection of this client has ended')])
  }

  #lend(request: ClientRequest | undefined): void {
    this.#borrower = request
    if (!request) return this.#listen()
    this.#socket.off('data', this.#onBytes).off('end', this.#onEnd)
    request.onSocket(this.#socket)
  }

  #listen(): void {
    if (!this.#idle || this.#socket.destroyed) return
    if (this.#socket.readableEnded) this.#idle.onEnd()
    else this.#socket.on('data', this.#onBytes).on('end', this.#onEnd)
  }

  readonly #onBytes = (bytes: Buffer): void => this.#idle?.onBytes(bytes)
  readonly #onEnd = (): void => this.#idle?.onEnd()
}
