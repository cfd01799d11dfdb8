import { constants, type ServerHttp2Stream } from 'node:http2'
import type { Writable } from 'node:stream'
import type { Road } from '../io/road.ts'
import type { Body, ClientSide, Cut, RequestHead, ResponseHead } from '../http/sides.ts'
import { byName, fieldsOnly, pseudoHeader, responseHeaders, splitHead } from './heads.ts'
import { IncomingBody } from './incoming-body.ts'
import { OutgoingBody } from './outgoing-body.ts'

/** Responses that have no content (RFC 9110 §6.4.1): Node ends their streams itself. */
const withoutContent = new Set([204, 205, 304])

/** Node adds a Date where it misses one; its types do not know how to be spared that. */
const withoutDate: object = { sendDate: false }

/** The client's side of an exchange in HTTP/2: one stream of its session. */
export class Http2Client implements ClientSide {
  readonly version = '2'
  readonly head: RequestHead
  readonly road: Road | undefined
  readonly body: Body
  readonly #stream: ServerHttp2Stream
  readonly #connectionEnd: () => 'rst' | 'fin' | undefined
  #response: OutgoingBody | undefined
  #trailers: readonly string[] = []
  #isCut = false
  #over = false
  #whenOver: ((cut: Cut | undefined) => void) | undefined

  /** `connectionEnd` says how the session's connection has ended, if it has: what is left then is told nothing more. */
  constructor(
    stream: ServerHttp2Stream,
    rawHeaders: readonly string[],
    road: Road | undefined,
    connectionEnd: () => 'rst' | 'fin' | undefined,
  ) {
    const { pseudo, fields } = splitHead(rawHeaders)
    this.head = {
      method: pseudoHeader(pseudo, ':method') ?? '',
      // RFC 9113 §8.5: a CONNECT has none.
      requestTarget: pseudoHeader(pseudo, ':path') ?? '',
      rawHeaders: fields,
      pseudoHeaders: pseudo,
      endsStream: stream.endAfterHeaders,
    }
    this.body = new IncomingBody(stream)
    this.road = road
    this.#stream = stream
    this.#connectionEnd = connectionEnd
    stream.on('error', () => {
      // 'close' follows, with the code.
    })
    // One that we cut off ourselves is told of when it has closed.
    stream.on('aborted', () => this.#isCut || this.#end())
    stream.on('close', () => this.#end())
  }

  /** True once the client has said all it will. */
  get hasWholeRequest(): boolean {
    return this.#stream.readableEnded || this.#stream.destroyed
  }

  inform({ status, rawHeaders }: ResponseHead): void {
    if (this.#isGone || this.#stream.headersSent) return
    // RFC 9113 §8.6: 101 has no meaning here, and Node sends none.
    if (status !== 101) this.#stream.additionalHeaders({ ':status': status, ...byName(fieldsOnly(rawHeaders)) })
  }

  respond(head: ResponseHead): Writable {
    const stream = this.#stream
    const response = new OutgoingBody(endsStream => {
      if (!this.#isGone) stream.respond(responseHeaders(head), { endStream: endsStream, waitForTrailers: !endsStream, ...withoutDate })
      return stream
    })
    this.#response = response
    response.setTrailers(this.#trailers)
    response.on('error', () => this.cut({ how: 'rst' }))
    if (withoutContent.has(head.status) || this.head.method === 'HEAD') response.begin(true)
    // What ends with its head is sent with its end, which comes at once; trailers-only answers of gRPC are such.
    else if (!head.endsStream) response.begin()
    return response
  }

  addTrailers(rawTrailers: readonly string[]): void {
    this.#trailers = rawTrailers
    this.#response?.setTrailers(rawTrailers)
  }

  flush(done: () => void): void {
    if (this.#response && !this.#isGone) this.#response.flush(done)
    else done()
  }

  /** A stream has no FIN: what does not end well ends with RST_STREAM (RFC 9113 §5.4.2), after what was written unless it is a reset. */
  cut({ how, code }: Cut): void {
    if (this.#isGone || this.#connectionEnd()) return
    this.#isCut = true
    const reset = (): void => this.#stream.close(code ?? constants.NGHTTP2_INTERNAL_ERROR)
    if (how === 'rst') reset()
    else this.flush(() => this.#isGone || reset())
  }

  /** Nobody reads the rest of the request (RFC 9113 §8.1): the client is told so, once it has its response. */
  stopReading(): void {
    const stop = (): void => {
      if (!this.#isGone && !this.#stream.readableEnded) this.#stream.close(constants.NGHTTP2_NO_ERROR)
    }
    if (!this.#response || this.#response.writableFinished) stop()
    else this.#response.once('finish', stop)
  }

  /** Calls back once its stream has closed. */
  onClosed(listener: () => void): void {
    this.#stream.once('close', listener)
  }

  onOver(listener: (cut: Cut | undefined) => void): void {
    this.#whenOver = listener
  }

  get #isGone(): boolean {
    return this.#stream.closed || this.#stream.destroyed
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    const { rstCode } = this.#stream
    const ended = this.#connectionEnd()
    if (this.#response?.writableFinished && rstCode === constants.NGHTTP2_NO_ERROR) this.#whenOver?.(undefined)
    else this.#whenOver?.(ended ? { how: ended } : { how: 'rst', code: rstCode })
  }
}
