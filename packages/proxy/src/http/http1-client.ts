import type { IncomingMessage } from 'node:http'
import type { Writable } from 'node:stream'
import type { Leg } from '../io/leg.ts'
import type { Road } from '../io/road.ts'
import { type ExactResponse, versionOf } from './exact.ts'
import { addTrailers, corkBriefly, writeRaw } from './outgoing.ts'
import { headerLines } from './raw-headers.ts'
import type { Body, ClientSide, Cut, RequestHead, ResponseHead } from './sides.ts'

/** The client's side of an exchange in HTTP/1. */
export class Http1Client implements ClientSide {
  readonly version: '1.0' | '1.1'
  readonly head: RequestHead
  readonly body: Body
  readonly #response: ExactResponse
  readonly #leg: Leg

  constructor(request: IncomingMessage, response: ExactResponse, leg: Leg) {
    this.version = versionOf(request.httpVersion)
    const { method = 'GET', url: requestTarget = '', rawHeaders } = request
    this.head = { method, requestTarget, rawHeaders, version: this.version }
    this.body = { stream: request, trailers: () => request.rawTrailers }
    this.#response = response
    this.#leg = leg
    // What breaks here breaks the connection, whose end tells of it.
    response.on('error', ignore)
    request.on('error', ignore)
  }

  get road(): Road | undefined {
    return this.#leg.road
  }

  inform({ version = '1.1', status, statusText, rawHeaders }: ResponseHead): void {
    if (this.#response.headersSent) return
    writeRaw(this.#response, `HTTP/${version} ${status} ${statusText}\r\n${headerLines(rawHeaders)}\r\n`)
  }

  respond({ version = '1.1', status, statusText, rawHeaders }: ResponseHead, last = false): Writable {
    const response = this.#response
    response.sendDate = false
    response.version = version
    if (last) response.shouldKeepAlive = false
    // Whether the connection goes on is for the two heads to say (RFC 9112 §9.3). Node ends it also after a 100 that it has not written
    // itself, and after a response without content that speaks of chunks.
    Reflect.set(response, '_expect_continue', false)
    const keepsAlive = response.shouldKeepAlive
    response.writeHead(status, statusText, rawHeaders as string[])
    if (keepsAlive && !response.shouldKeepAlive) Reflect.set(response, '_last', false)
    // A stream of events must not wait for its first byte to send its head; one that is there already goes along.
    corkBriefly(this.#leg.stream)
    response.flushHeaders()
    return response
  }

  addTrailers(rawTrailers: readonly string[]): void {
    addTrailers(this.#response, rawTrailers)
  }

  flush(done: () => void): void {
    flush(this.#leg, done)
  }

  cut({ how }: Cut): void {
    if (how === 'rst') this.#leg.reset()
    else if (how === 'half') this.#leg.end()
    else this.#leg.stream.destroySoon()
  }

  onOver(listener: (cut: Cut | undefined) => void): void {
    const response = this.#response
    response.on('close', () => listener(response.writableFinished ? undefined : { how: this.#leg.wasReset ? 'rst' : 'fin' }))
  }
}

/** Calls back once all that was written to a leg has been handed to the system, or it has ended. */
export function flush({ stream }: Leg, done: () => void): void {
  if (stream.destroyed || stream.writableEnded) return done()
  while (stream.writableCorked > 0) stream.uncork()
  stream.write('', () => done())
}

function ignore(): void {}
