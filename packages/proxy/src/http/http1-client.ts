import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Writable } from 'node:stream'
import type { Leg } from '../io/leg.ts'
import type { Road } from '../io/road.ts'
import { addTrailers, corkBriefly, writeRaw } from './outgoing.ts'
import { headerLines } from './raw-headers.ts'
import type { Body, ClientSide, Cut, RequestHead, ResponseHead } from './sides.ts'

/** The client's side of an exchange in HTTP/1. */
export class Http1Client implements ClientSide {
  readonly version: '1.0' | '1.1'
  readonly head: RequestHead
  readonly body: Body
  readonly #response: ServerResponse
  readonly #leg: Leg

  constructor(request: IncomingMessage, response: ServerResponse, leg: Leg) {
    this.version = request.httpVersion === '1.0' ? '1.0' : '1.1'
    this.head = { method: request.method ?? 'GET', requestTarget: request.url ?? '', rawHeaders: request.rawHeaders }
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

  inform({ status, statusText, rawHeaders }: ResponseHead): void {
    if (this.#response.headersSent) return
    writeRaw(this.#response, `HTTP/1.1 ${status} ${statusText}\r\n${headerLines(rawHeaders)}\r\n`)
  }

  respond({ status, statusText, rawHeaders }: ResponseHead, last = false): Writable {
    const response = this.#response
    response.sendDate = false
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
