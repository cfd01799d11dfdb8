import type { ClientRequest } from 'node:http'
import type { Writable } from 'node:stream'
import { versionOf } from './exact.ts'
import { flush } from './http1-client.ts'
import { addTrailers, corkBriefly } from './outgoing.ts'
import type { Cut, RequestHead, ServerListener, ServerSide, UpstreamHttp } from './sides.ts'
import type { UpstreamLink } from './upstream-link.ts'

/** Upstream in HTTP/1: one request after the other, on the one connection. */
export class Http1Upstream implements UpstreamHttp {
  readonly link: UpstreamLink
  readonly #onStray: () => void

  /** `onStray`: a second response came behind the one that was asked for, and the connection has been ended. */
  constructor(link: UpstreamLink, onStray: () => void) {
    this.link = link
    this.#onStray = onStray
  }

  request({ method, requestTarget, rawHeaders, version }: RequestHead, listener: ServerListener): ServerSide {
    const request = this.link.request(method, requestTarget, rawHeaders, version)
    const side = new Http1Request(this.link, request, listener)
    request.on('close', () => {
      if (side.answered && wasDropped(request, this.link)) this.#onStray()
    })
    return side
  }
}

/** Node ends a connection on which a second response follows the first, and says nothing. */
function wasDropped(request: ClientRequest, { leg }: UpstreamLink): boolean {
  return request.shouldKeepAlive && leg.closed && !leg.wasReset && !leg.stream.readableEnded
}

class Http1Request implements ServerSide {
  readonly body: Writable
  readonly #link: UpstreamLink
  readonly #request: ClientRequest
  readonly #listener: ServerListener
  /** Its response has come, to the end. */
  answered = false
  #hasHead = false
  #over = false

  constructor(link: UpstreamLink, request: ClientRequest, listener: ServerListener) {
    this.body = request
    this.#link = link
    this.#request = request
    this.#listener = listener
    // A body that comes late must not keep its head.
    corkBriefly(link.leg.stream, () => {
      if (Reflect.get(request, '_headerSent') !== true && !request.destroyed) request.flushHeaders()
    })
    request.on('information', ({ statusCode: status, statusMessage: statusText, rawHeaders, httpVersion }) => {
      if (!this.#over && !this.#hasHead) listener.inform({ status, statusText, rawHeaders, version: versionOf(httpVersion) })
    })
    request.on('response', response => {
      if (this.#over) return void response.on('error', () => {}).resume()
      this.#hasHead = true
      response.on('end', () => (this.answered = !this.#over))
      // Its end is upstream's own to choose. Node would end it after an answer to HEAD that names no length, for one.
      request.shouldKeepAlive = true
      response.on('error', error => this.#end(error))
      response.on('end', () => {
        if (!request.writableFinished) this.#goOnDraining()
      })
      const { statusCode: status = 0, statusMessage: statusText = '', rawHeaders } = response
      const version = versionOf(response.httpVersion)
      listener.respond({ status, statusText, rawHeaders, version }, { stream: response, trailers: () => response.rawTrailers })
    })
    request.on('error', error => this.#end(error))
    request.on('close', () => {
      // Node drops a connection that switches protocols unasked, and calls that no error.
      if (!this.#hasHead) this.#end(undefined)
    })
  }

  /** Node does not tell a request of its socket's drain once the response has come, though its body may still be under way. */
  #goOnDraining(): void {
    const request = this.#request
    const drained = (): void => {
      if (request.writableNeedDrain) request.emit('drain')
    }
    this.#link.leg.stream.on('drain', drained)
    request.on('close', () => this.#link.leg.stream.off('drain', drained))
  }

  addTrailers(rawTrailers: readonly string[]): void {
    addTrailers(this.#request, rawTrailers)
  }

  flush(done: () => void): void {
    const request = this.#request
    if (Reflect.get(request, '_headerSent') !== true) request.flushHeaders()
    // An agent lends its socket in a later turn, and what was written goes out behind that.
    if (request.socket || request.destroyed) flush(this.#link.leg, done)
    else request.once('socket', () => process.nextTick(() => flush(this.#link.leg, done)))
  }

  cut({ how }: Cut): void {
    const { leg } = this.#link
    if (how === 'half') return leg.end()
    this.#over = true
    if (how === 'rst') leg.reset()
    this.#request.destroy()
    this.#link.destroy()
  }

  #end(error: Error | undefined): void {
    if (this.#over) return
    this.#over = true
    this.#listener.onCut({ how: this.#link.leg.wasReset ? 'rst' : 'half' }, error)
  }
}
