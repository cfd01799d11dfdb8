import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type Settings } from 'node:http2'
import { Writable } from 'node:stream'
import { asError } from '../errors.ts'
import { realClock } from '../io/clock.ts'
import type { Leg } from '../io/leg.ts'
import type { Cut, RequestHead, ServerListener, ServerSide, UpstreamHttp } from '../http/sides.ts'
import { requestHeaders, statusOf } from './heads.ts'
import { IncomingBody } from './incoming-body.ts'
import { limits, settingsForUpstream } from './limits.ts'
import { OutgoingBody } from './outgoing-body.ts'

/** ms that upstream gets to answer our FIN. */
const lingerTime = 1000

/** A GOAWAY of upstream (RFC 9113 §6.8): no stream above `lastStreamId` was or will be processed. */
export interface GoAway {
  readonly code: number
  readonly lastStreamId: number
  readonly opaqueData: Uint8Array | undefined
}

/** Upstream in HTTP/2: one session over the one connection behind a client's, whose streams run side by side. */
export class Http2Upstream implements UpstreamHttp {
  readonly leg: Leg
  readonly #session: ClientHttp2Session
  readonly #open = new Set<ClientHttp2Stream>()
  #ended: 'rst' | 'fin' | undefined
  #error: Error | undefined

  constructor(leg: Leg) {
    this.leg = leg
    leg.stream.on('end', () => this.#ends())
    leg.stream.on('close', () => this.#ends())
    const session = connect('http://upstream.invalid', { ...limits, settings: settingsForUpstream, createConnection: () => leg.stream })
    session.on('error', error => (this.#error = asError(error)))
    this.#session = session
  }

  /** How its connection has ended, if it has. */
  get ended(): 'rst' | 'fin' | undefined {
    return this.#ended
  }

  /** Calls back with each SETTINGS of upstream, the first of which is its half of the preface. */
  onSettings(listener: (settings: Settings) => void): void {
    this.#session.on('remoteSettings', listener)
  }

  onGoAway(listener: (goAway: GoAway) => void): void {
    this.#session.on('goaway', (code, lastStreamId, opaqueData) => listener({ code, lastStreamId, opaqueData }))
  }

  /** Calls back once nothing more comes from upstream, and what came whole was read. */
  onOver(listener: (how: 'rst' | 'fin', error: Error | undefined) => void): void {
    this.#session.on('close', () => {
      this.#ended ??= this.leg.wasReset ? 'rst' : 'fin'
      listener(this.#ended, this.#error)
    })
  }

  /** Tells upstream that the client goes away, as it said (RFC 9113 §6.8). */
  goAway(code: number, opaqueData: Uint8Array | undefined): void {
    if (!this.#session.destroyed) this.#session.goaway(code, 0, opaqueData)
  }

  request(head: RequestHead, listener: ServerListener): ServerSide {
    const session = this.#session
    if (session.closed || session.destroyed) return refuse(listener)
    return new Http2Request(head, listener, session, () => this.#ended, this.#open)
  }

  /** The client has gone: upstream is told by the end of its connection, not stream by stream. */
  leave(how: 'rst' | 'fin'): void {
    if (this.#ended) return
    this.#ended = how
    if (how === 'rst') return this.leg.reset()
    this.leg.end()
    // What upstream still sends is read and thrown away, so that it sees our FIN and not an RST.
    realClock.after(lingerTime, () => this.leg.destroy())
  }

  destroy(): void {
    this.leg.destroy()
  }

  /** Upstream says no more. What came whole is read on; the session goes when that is done, and with it what is not whole. */
  #ends(): void {
    if (this.#ended) return
    this.#ended = this.leg.wasReset ? 'rst' : 'fin'
    const isWhole = (stream: ClientHttp2Stream): boolean =>
      stream.closed || stream.state.state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE
    let whole = 0
    const destroyAfterLast = (): void => {
      if (whole === 0) this.leg.destroy()
    }
    for (const stream of this.#open) {
      if (stream.destroyed || stream.readableEnded || !isWhole(stream)) continue
      whole++
      const read = (): void => {
        if (!stream.off('end', read).off('close', read)) return
        whole--
        destroyAfterLast()
      }
      stream.on('end', read).on('close', read)
    }
    destroyAfterLast()
  }
}

/** Upstream's side of an exchange: one stream of its session. */
export class Http2Request implements ServerSide {
  readonly body: OutgoingBody
  readonly #head: RequestHead
  readonly #listener: ServerListener
  readonly #session: ClientHttp2Session
  readonly #connectionEnd: () => 'rst' | 'fin' | undefined
  readonly #open: Set<ClientHttp2Stream>
  #stream: ClientHttp2Stream | undefined
  #incoming: IncomingBody | undefined
  #error: Error | undefined
  #over = false
  #isUnread: (() => void) | undefined
  readonly #whenClosed: ((cut: Cut | undefined) => void)[] = []

  constructor(
    head: RequestHead,
    listener: ServerListener,
    session: ClientHttp2Session,
    connectionEnd: () => 'rst' | 'fin' | undefined,
    open: Set<ClientHttp2Stream>,
  ) {
    this.#head = head
    this.#listener = listener
    this.#session = session
    this.#connectionEnd = connectionEnd
    this.#open = open
    this.body = new OutgoingBody(endsStream => this.#send(endsStream))
    this.body.on('error', error => {
      if (this.#over) return
      this.#over = true
      listener.onCut({ how: 'rst', code: constants.NGHTTP2_INTERNAL_ERROR }, error)
    })
    // What ends with its head is sent with its end, which comes at once.
    if (!head.endsStream) this.body.begin()
  }

  /** The id of its stream, once its head was sent. */
  get streamId(): number | undefined {
    return this.#stream?.id
  }

  /** Calls back if upstream has answered and does not want the rest of the request (RFC 9113 §8.1). */
  onUnread(listener: () => void): void {
    this.#isUnread = listener
  }

  /** Calls back once its stream has closed, with a cut unless both sides ended well. */
  onClosed(listener: (cut: Cut | undefined) => void): void {
    this.#whenClosed.push(listener)
  }

  addTrailers(rawTrailers: readonly string[]): void {
    this.body.setTrailers(rawTrailers)
  }

  flush(done: () => void): void {
    if (this.#stream && !this.#stream.destroyed) this.body.flush(done)
    else done()
  }

  cut({ how, code }: Cut): void {
    this.#over = true
    if (this.#connectionEnd()) return
    const reset = (): void => void this.#stream?.close(code ?? constants.NGHTTP2_CANCEL)
    if (how === 'rst') reset()
    else this.flush(reset)
  }

  #send(endsStream: boolean): ClientHttp2Stream {
    const stream = this.#session.request(requestHeaders(this.#head), { endStream: endsStream, waitForTrailers: !endsStream })
    this.#stream = stream
    this.#open.add(stream)
    stream.on('headers', (headers, _flags, rawHeaders?: string[]) => {
      if (!this.#over) this.#listener.inform({ status: statusOf(headers), statusText: '', rawHeaders: this.#fields(rawHeaders) })
    })
    stream.on('response', (headers, flags, rawHeaders?: string[]) => {
      if (this.#over) return void stream.resume()
      this.#incoming = new IncomingBody(stream)
      const endsStreamToo = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
      const head = { status: statusOf(headers), statusText: '', rawHeaders: this.#fields(rawHeaders), endsStream: endsStreamToo }
      this.#listener.respond(head, this.#incoming)
    })
    stream.on('error', error => (this.#error = error))
    stream.on('aborted', () => this.#end(stream))
    stream.on('close', () => this.#end(stream))
    return stream
  }

  #fields(rawHeaders: readonly string[] = []): string[] {
    return rawHeaders.filter((_, n) => !(rawHeaders[n - (n % 2)] ?? '').startsWith(':'))
  }

  #end(stream: ClientHttp2Stream): void {
    const isWell = stream.rstCode === constants.NGHTTP2_NO_ERROR
    if (isWell && !this.body.writableEnded) this.#isUnread?.()
    // What came before may still be read.
    if (isWell && !stream.destroyed) return
    this.#open.delete(stream)
    const cut = this.#incoming && isWell && stream.readableEnded ? undefined : this.#cutOf(stream)
    for (const closed of this.#whenClosed.splice(0)) closed(cut)
    if (this.#over) return
    this.#over = true
    if (cut) this.#listener.onCut(cut, this.#error)
  }

  #cutOf({ rstCode }: ClientHttp2Stream): Cut {
    const ended = this.#connectionEnd()
    return ended ? { how: ended === 'rst' ? 'rst' : 'half' } : { how: 'rst', code: rstCode }
  }
}

/** What a session does with a request that comes after its end, or after a GOAWAY: the client may ask again elsewhere (RFC 9113 §8.7). */
function refuse(listener: ServerListener): ServerSide {
  process.nextTick(() => listener.onCut({ how: 'rst', code: constants.NGHTTP2_REFUSED_STREAM }, undefined))
  return {
    body: new Writable({ write: (_chunk, _encoding, done) => done() }),
    addTrailers: () => {},
    flush: done => done(),
    cut: () => {},
  }
}
