import type { EngineContext } from '../engine-context.ts'
import type { DeclaredStream, ExchangeControl, Part } from '../http/declared-streams.ts'
import { fieldOf, withHeader } from '../http/raw-headers.ts'
import type { Body, RequestHead, ResponseHead } from '../http/sides.ts'
import type { Connection } from '../connection.ts'
import type { Exchange } from '../journal/traffic-event.ts'
import type { OwnResponse } from '../rule/request-rule.ts'
import type { Side } from '../side.ts'
import { AheadAnswer } from './ahead-answer.ts'
import { compose } from './compose.ts'
import type { ResolvedStream } from './declaration.ts'
import { EndWatch } from './end-watch.ts'
import { framingFor, framingOf } from './framing.ts'
import type { Framing } from './framing.ts'
import type { MessageStream, StreamExchangeControl } from './message-stream.ts'
import { one } from './packing.ts'
import { Passage } from './passage.ts'
import type { Passed } from './passage.ts'

export interface StreamExchangeOptions {
  readonly engine: EngineContext
  readonly stream: MessageStream
  readonly declared: ResolvedStream
  readonly control: ExchangeControl
  readonly exchange: Exchange
  /** It is over. */
  readonly onOver: () => void
}

/** One exchange that carries messages: the body of its request from the client, that of its response from the server. */
export class StreamExchange implements DeclaredStream, StreamExchangeControl {
  readonly #options: StreamExchangeOptions
  readonly #watch: EndWatch
  #response: Passage | undefined
  #responded = false
  /** Its request carries nothing, and its connection has a key. */
  #polls = false
  /** Upstream's answer to an earlier poll, which is for this one. */
  #taken: AheadAnswer | undefined
  #over = false
  /** Its response was ended by us: it may take a while to be written. */
  #finished = false

  constructor(options: StreamExchangeOptions) {
    this.#options = options
    const { stream, declared } = options
    this.#watch = new EndWatch(declared, stream.connection.url, () => stream.finish())
    stream.join(this)
    const { road } = options.control.client
    if (road) stream.connection.travelOn(road, options.engine.network, true)
  }

  request(head: RequestHead, body: Body): Part<RequestHead> | Promise<Part<RequestHead>> {
    const { stream, control } = this.#options
    if (stream.endedBy !== undefined) {
      control.fail('its connection was ended before', { how: stream.endedBy === 'rst' ? 'rst' : 'fin' })
      return { head, body }
    }
    if (!hasBody(head)) return this.#poll(head, body)
    const byType = framingFor(fieldOf(head.rawHeaders, 'content-type'))
    const { result } = this.#passage('client', head.rawHeaders, body, byType.name === 'lines' ? byType : framingOf('body'))
    const goOn = ({ rawHeaders, body: passed }: Passed): Part<RequestHead> => ({ head: { ...head, rawHeaders }, body: passed })
    if (!(result instanceof Promise)) return goOn(result)
    return new Promise((resolve, reject) => {
      result.then(passed => {
        if (passed.content) resolve(goOn(passed))
        // Nothing is left to send: the client is told that it was taken.
        else control.answer({ status: 204, headers: [], body: new Uint8Array(0) })
      }, reject)
    })
  }

  response(head: ResponseHead, body: Body): Part<ResponseHead> | Promise<Part<ResponseHead>> {
    const { exchange, stream, declared } = this.#options
    const framing = this.#framing(head)
    this.#opened(head, framing)
    const isEmpty = exchange.method === 'HEAD' || head.status === 304 || (head.status === 204 && !stream.hasWaiting('server'))
    if (isEmpty || declared.declaration.answers?.(exchange) === false) {
      this.#done()
      return { head, body }
    }
    this.#response = this.#passage('server', head.rawHeaders, body, framing)
    const { result } = this.#response
    const goOn = ({ rawHeaders, body: passed, content }: Passed): Part<ResponseHead> => ({
      head: content ? withContent(head, rawHeaders) : withoutContent(head, rawHeaders),
      body: passed,
    })
    return result instanceof Promise ? result.then(goOn) : goOn(result)
  }

  /** True while a response is being written to its end that we have ended. */
  get isFinishing(): boolean {
    return this.#finished && !this.#over
  }

  get isKept(): boolean {
    return this.#taken !== undefined && !this.#over
  }

  get connection(): Connection {
    return this.#options.stream.connection
  }

  /** True while the client waits for what its server may say. */
  get isPolling(): boolean {
    return this.#polls && !this.#responded && !this.#over
  }

  answerAhead(): void {
    const { stream, declared, control } = this.#options
    const { framing = declared.codec.framing ?? 'body', packing = one } = declared.declaration
    const own = stream.takeWaiting('server', packing === one ? 1 : Infinity)
    const body = compose(framingOf(framing), packing, undefined, [], own)
    this.#responded = true
    stream.note('a poll is answered ahead of its server; the next one gets what that answers')
    const answer = new AheadAnswer(control)
    stream.polls.answeredAhead(answer)
    control.answerAhead({ status: 200, headers: stream.polls.likeBefore(body.length), body }, (head, rest) => {
      if (head && rest) void answer.come(this.response(head, rest))
      else answer.broke()
    })
  }

  over(failure: string | undefined, by: Side | undefined): void {
    if (this.#over) return
    this.#over = true
    const { stream, declared, control, onOver } = this.#options
    onOver()
    stream.leave(this)
    if (failure !== undefined) this.#taken?.abandon()
    if (control.client.road) stream.connection.leaveRoad(control.client.road)
    if (declared.declaration.connectionKey !== undefined) return
    if (failure !== undefined) stream.broke(by ?? 'client')
    else stream.finish()
  }

  cut(how: 'fin' | 'rst', reason: string): void {
    if (this.#over || this.#finished) return
    this.#response?.flush()
    this.#options.control.fail(reason, { how })
  }

  finish(): void {
    const { control } = this.#options
    this.#finished = true
    if (!this.#responded) control.answer(this.#nothing())
    else if (this.#response && !this.#response.canFinish) control.fail('its connection was closed', { how: 'fin' })
    else this.#response?.finish()
    control.cutServer({ how: 'fin' })
  }

  /** The end of a response that has not begun. An EventSource asks again after no events, and never again after a 204 (HTML §9.2.3). */
  #nothing(): OwnResponse {
    const { declared, exchange } = this.#options
    const framing = declared.declaration.framing ?? declared.codec.framing
    const isForEvents = framing === 'sse' || (framing === undefined && String(exchange.headers['accept']).includes('text/event-stream'))
    return isForEvents
      ? { status: 200, headers: ['Content-Type', 'text/event-stream'], body: new Uint8Array(0) }
      : { status: 204, headers: [], body: new Uint8Array(0) }
  }

  /** A request that carries nothing: where upstream was asked before, it is answered with that. */
  #poll(head: RequestHead, body: Body): Part<RequestHead> | Promise<Part<RequestHead>> {
    const { stream, control, declared, exchange } = this.#options
    const { connectionKey, answers } = declared.declaration
    this.#polls = connectionKey !== undefined && head.method === 'GET' && answers?.(exchange) !== false
    const ahead = this.#polls ? stream.polls.takeAhead() : undefined
    if (!ahead) return { head, body }
    this.#taken = ahead
    this.#responded = true
    body.stream.resume()
    ahead.give(control)
    return new Promise(() => {})
  }

  #passage(from: Side, rawHeaders: readonly string[], body: Body, framing: Framing): Passage {
    const { stream, declared, control } = this.#options
    return new Passage({
      stream,
      from,
      body,
      rawHeaders,
      framing,
      packing: declared.declaration.packing ?? one,
      chunked: control.client.version === '1.1',
      onMessages: (parts, binary) => {
        if (from === 'server' && declared.declaration.connectionKey !== undefined) stream.polls.tell(parts)
        this.#watch.see(from, parts, binary)
      },
      onDone: () => {
        if (from === 'server') this.#done()
      },
      onFailure: error => control.fail(error.message, { how: 'rst' }),
    })
  }

  #framing({ rawHeaders }: ResponseHead): Framing {
    const { declaration, codec } = this.#options.declared
    const framing = declaration.framing ?? codec.framing
    return framing === undefined ? framingFor(fieldOf(rawHeaders, 'content-type')) : framingOf(framing)
  }

  /** The first head of a connection opens it, or tells that it was refused. */
  #opened({ status, statusText, rawHeaders }: ResponseHead, { name }: Framing): void {
    this.#responded = true
    const { stream, engine, declared } = this.#options
    const { connection } = stream
    const transport = name === 'sse' || name === 'lines' ? name : name === 'body' ? 'polling' : name === 'sse blocks' ? 'sse' : 'http'
    if (connection.transport === 'http') connection.transport = transport
    if (status === 200) stream.polls.rememberHead(rawHeaders)
    if (status >= 400) {
      if (connection.state === 'opening') engine.refused(connection, status, `${status} ${statusText} from upstream`)
      if (declared.declaration.connectionKey !== undefined) stream.finish()
    } else if (connection.state === 'opening') {
      connection.markOpen()
      engine.sockets.opened(connection)
    }
  }

  #done(): void {
    if (this.#options.declared.declaration.connectionKey === undefined) this.#options.stream.finish()
  }
}

/** RFC 9112 §6.3: a request has a body if its head says so; HTTP/2 says when it has none. */
function hasBody({ method, rawHeaders, endsStream }: RequestHead): boolean {
  if (endsStream === true) return false
  const isFramed = fieldOf(rawHeaders, 'content-length') !== undefined || fieldOf(rawHeaders, 'transfer-encoding') !== undefined
  return isFramed || (method !== 'GET' && method !== 'HEAD' && method !== 'DELETE')
}

function withContent(head: ResponseHead, rawHeaders: readonly string[]): ResponseHead {
  return head.status === 204
    ? { ...head, status: 200, statusText: head.statusText === '' ? '' : 'OK', rawHeaders }
    : { ...head, rawHeaders }
}

/** A body that was emptied, where nothing stands for nothing: RFC 9110 §15.3.5. */
function withoutContent(head: ResponseHead, rawHeaders: readonly string[]): ResponseHead {
  if (head.status !== 200) return { ...head, rawHeaders }
  let headers: readonly string[] = rawHeaders
  for (const name of ['content-length', 'transfer-encoding', 'content-type', 'content-encoding'])
    headers = withHeader(headers, name, undefined)
  return { ...head, status: 204, statusText: head.statusText === '' ? '' : 'No Content', rawHeaders: headers }
}
