import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import type { Leg } from '../io/leg.ts'
import { ExactResponse } from './exact.ts'

const maxHeaderSize = 256 * 1024

/** What one client connection does with the requests that come in on it. */
export interface HttpClient {
  readonly leg: Leg
  onRequest(request: IncomingMessage, response: ExactResponse): void
  /** The connection has left HTTP: `head` are bytes that came behind the request's head (RFC 9110 §7.8). */
  onUpgrade(request: IncomingMessage, head: Buffer): void
  onConnect(request: IncomingMessage, head: Buffer): void
  /** llhttp refused the bytes; the connection is to be ended. */
  onMalformed(error: Error): void
}

/** Node's HTTP/1 server without a listener: connections are handed to it. No timeout of its own, no header of its own. */
export class HttpFront {
  readonly #server: Server<typeof IncomingMessage, typeof ExactResponse>
  readonly #clients = new WeakMap<Duplex, HttpClient>()

  constructor() {
    this.#server = createServer({
      ServerResponse: ExactResponse,
      maxHeaderSize,
      keepAliveTimeout: 0,
      requestTimeout: 0,
      headersTimeout: 0,
      requireHostHeader: false,
      joinDuplicateHeaders: false,
    })
    this.#server.timeout = 0
    // Node would leave out what is more than 2000 lines, and say nothing.
    this.#server.maxHeadersCount = 0
    // Half-close is the client's right (RFC 9112 §9.6): its FIN is passed on, not answered.
    Object.assign(this.#server, { httpAllowHalfOpen: true })
    const relay = (request: IncomingMessage, response: ExactResponse): void => this.#clientOf(request.socket).onRequest(request, response)
    this.#server.on('request', relay)
    // Upstream decides about `Expect`, not we.
    this.#server.on('checkContinue', relay)
    this.#server.on('checkExpectation', relay)
    this.#server.on('upgrade', (request, socket, head) => this.#clientOf(socket).onUpgrade(request, head))
    this.#server.on('connect', (request, socket, head) => this.#clientOf(socket).onConnect(request, head))
    this.#server.on('clientError', (error, socket) => this.#clients.get(socket)?.onMalformed(error))
  }

  /** Parses what the client sends on `client.leg` from here on, starting with what its stream has buffered. */
  serve(client: HttpClient): void {
    this.#clients.set(client.leg.stream, client)
    this.#server.emit('connection', client.leg.stream)
  }

  /** A response for a request whose connection has left HTTP, as after a refused upgrade. */
  responseFor(request: IncomingMessage, socket: Socket): ExactResponse {
    const response = new ExactResponse(request)
    response.assignSocket(socket)
    return response
  }

  #clientOf(socket: Duplex): HttpClient {
    const client = this.#clients.get(socket)
    if (!client) throw new Error('a request on a connection that was never handed over')
    return client
  }
}
