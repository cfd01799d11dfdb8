import { Agent, type ClientRequest, type RequestOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Leg } from '../io/leg.ts'
import { ExactRequest } from './exact.ts'

// A proxy must not be stricter than the two ends: they have limits of their own.
const maxHeaderSize = 256 * 1024

/** The one upstream connection behind a client's connection, reused for each of its requests, never pooled. */
export class UpstreamLink {
  readonly leg: Leg
  readonly #agent: SingleSocketAgent

  constructor(leg: Leg) {
    this.leg = leg
    this.#agent = new SingleSocketAgent(leg.stream)
  }

  /** Sends the head exactly as given: method, target, names and values in turn. */
  request(method: string, target: string, rawHeaders: readonly string[]): ClientRequest {
    const options: RequestOptions = {
      agent: this.#agent,
      method,
      path: target,
      headers: rawHeaders,
      setHost: false,
      maxHeaderSize,
      joinDuplicateHeaders: false,
    }
    return new ExactRequest(options)
  }

  destroy(): void {
    this.#agent.destroy()
    this.leg.destroy()
  }
}

class SingleSocketAgent extends Agent {
  #socket: Socket | undefined

  constructor(socket: Socket) {
    super({ keepAlive: true, maxSockets: 1, timeout: 0 })
    this.#socket = socket
  }

  // A request that waited for its turn when the connection ended asks for another one: the client's connection ends with its
  // upstream's, so there is none. Thrown, the error would reach nobody who waits for it.
  override createConnection(_: object, callback?: (error: Error | null, stream: Duplex) => void): Socket | undefined {
    const socket = this.#socket
    this.#socket = undefined
    if (!socket) (callback as ((error: Error) => void) | undefined)?.(new Error('the upstream connection of this client has ended'))
    return socket
  }
}
