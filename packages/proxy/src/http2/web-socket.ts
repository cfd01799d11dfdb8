import { constants } from 'node:http2'
import type { EngineContext } from '../engine-context.ts'
import { messageOf, MidwireError } from '../errors.ts'
import { writeOwn } from '../http/own-response.ts'
import { pour } from '../http/pour.ts'
import { fieldOf, fieldsOf, withHeader } from '../http/raw-headers.ts'
import { rewriteRequest } from '../http/rewritten-request.ts'
import type { Body, Cut, RequestHead, ResponseHead } from '../http/sides.ts'
import type { Target } from '../http/target.ts'
import { startWebSocket } from '../io/start-web-socket.ts'
import type { WireConnection } from '../io/wire-connection.ts'
import { ruleLabel } from '../rule/rule-label.ts'
import type { Scope } from '../scope.ts'
import { parseProtocols, rewriteAnswer, rewriteOffer } from '../ws/handshake.ts'
import { ExchangeLeg } from './exchange-leg.ts'
import { pseudoHeader } from './heads.ts'
import type { Http2Client } from './http2-client.ts'
import { Http2Request, type Http2Upstream } from './http2-upstream.ts'

/** What the session that a WebSocket begins on lends it. */
export interface StreamDoorway {
  readonly client: Http2Client
  readonly target: Target
  /** What upstream gets, where no rule changes it. */
  readonly onward: RequestHead
  readonly scope: Scope
  openUpstream(): Promise<Http2Upstream>
}

/** How upstream answered. */
type Answer =
  | { readonly kind: 'answered'; readonly request: Http2Request; readonly head: ResponseHead; readonly body: Body }
  | { readonly kind: 'cut'; readonly cut: Cut; readonly text: string }

/** True for the request that makes a WebSocket of its stream (RFC 8441 §4). */
export function isWebSocketStream({ method, pseudoHeaders = [] }: RequestHead): boolean {
  return method === 'CONNECT' && pseudoHeader(pseudoHeaders, ':protocol') === 'websocket'
}

/** One handshake over HTTP/2: the rules decide, upstream answers, and a session begins on the two streams. */
export async function openWebSocketStream(engine: EngineContext, door: StreamDoorway): Promise<void> {
  const { client, scope, target } = door
  const { rawHeaders } = client.head
  const connection = engine.sockets.open(scope, target, { headers: fieldsOf(rawHeaders), rawHeaders })
  if (client.road) connection.travelOn(client.road, engine.network, true)
  let asked: Http2Request | undefined
  client.onOver(cut => {
    if (connection.state === 'opening') engine.refused(connection, undefined, 'the client left before it was answered')
    asked?.cut(cut ?? { how: 'rst' })
    connection.markClosed()
  })
  connection.abandonWith(() => {
    connection.markClosed()
    client.cut({ how: 'fin' })
    asked?.cut({ how: 'rst' })
  })

  const head = await askRules(engine, door, connection)
  if (!head || connection.state !== 'opening') return
  const offer = rewriteOffer(fieldOf(rawHeaders, 'sec-websocket-extensions'))
  for (const text of offer.notes) engine.note(connection, scope, text)
  const upstream = await door.openUpstream()
  if (connection.state !== 'opening') return
  const answer = await ask(
    upstream,
    { ...head, rawHeaders: withHeader(head.rawHeaders, 'sec-websocket-extensions', offer.header) },
    request => {
      asked = request
    },
  )
  if (connection.state !== 'opening') return
  if (answer.kind === 'cut') {
    engine.refused(connection, undefined, `upstream ended before it answered${answer.text}`)
    connection.markClosed()
    return client.cut(answer.cut)
  }
  const { status } = answer.head
  if (status < 200 || status > 299) {
    engine.refused(connection, status, `${status} from upstream`)
    connection.markClosed()
    return relay(client, answer)
  }
  const { header, agreement, problem } = rewriteAnswer(fieldOf(answer.head.rawHeaders, 'sec-websocket-extensions'), offer)
  if (problem !== undefined) {
    engine.refused(connection, undefined, problem)
    connection.markClosed()
    answer.request.cut({ how: 'rst' })
    return client.cut({ how: 'rst' })
  }

  const protocol = fieldOf(answer.head.rawHeaders, 'sec-websocket-protocol') ?? ''
  const fields = withHeader(answer.head.rawHeaders, 'sec-websocket-extensions', header)
  const outgoing = client.respond({ status, statusText: '', rawHeaders: fields })
  const server = new ExchangeLeg({ incoming: answer.body.stream, outgoing: answer.request.body, cut: cut => answer.request.cut(cut) })
  const legs = { client: new ExchangeLeg({ incoming: client.body.stream, outgoing, cut: cut => client.cut(cut) }), server }
  answer.request.onClosed(cut => legs.server.over(cut?.how))
  client.onOver(cut => legs.client.over(cut?.how))
  startWebSocket(engine, connection, { legs, protocol, agreement, head: { client: Buffer.alloc(0), server: Buffer.alloc(0) } })
}

function ask(upstream: Http2Upstream, head: RequestHead, begun: (request: Http2Request) => void): Promise<Answer> {
  return new Promise(resolve => {
    const request = upstream.request(head, {
      inform: () => {},
      respond: (answer, body) => request instanceof Http2Request && resolve({ kind: 'answered', request, head: answer, body }),
      onCut: (cut, error) => resolve({ kind: 'cut', cut, text: error ? `: ${error.message}` : '' }),
    })
    if (request instanceof Http2Request) begun(request)
  })
}

/** An answer that is no yes, with its body. */
function relay(client: Http2Client, { request, head, body }: Extract<Answer, { kind: 'answered' }>): void {
  request.body.end()
  const to = client.respond(head)
  pour(body.stream, to, {
    onEnd: () => {
      client.addTrailers(body.trailers())
      to.end()
    },
  })
}

/** The head that upstream gets; `undefined` if a rule has answered in its place. */
async function askRules(engine: EngineContext, door: StreamDoorway, connection: WireConnection): Promise<RequestHead | undefined> {
  const { client, onward, target, scope } = door
  const { host, port, url, path, query, headers, attempt } = connection
  const protocol = parseProtocols(fieldOf(onward.rawHeaders, 'sec-websocket-protocol'))
  const rule = engine.decideHandshake(scope, { host, port, url, path, query, headers, protocol, attempt })
  if (!rule) return onward
  const by = `by ${ruleLabel(rule)}`
  const failed = (text: string, cause?: unknown): RequestHead => {
    const error = new MidwireError('MIDWIRE_RULE_FAILED', `${rule.name ?? rule.start} ${text}`, { cause })
    engine.fail({ scope: rule.scope, rule, message: undefined, error })
    return onward
  }
  const { action } = rule
  switch (action.kind) {
    case 'respondWith':
      engine.refused(connection, action.status, `${action.status} ${by}`)
      connection.markClosed()
      writeOwn(client, action, { onChunk: ignore, onEnd: ignore, onBreak: ignore })
      return undefined
    case 'reset':
    case 'end':
      engine.refused(connection, undefined, `${action.kind === 'end' ? 'ended' : 'reset'} ${by}`)
      connection.markClosed()
      client.cut({ how: 'rst', code: action.kind === 'end' ? constants.NGHTTP2_CANCEL : constants.NGHTTP2_INTERNAL_ERROR })
      return undefined
    case 'hold':
      engine.note(connection, scope, `handshake held ${by}`)
      await Promise.race([engine.holdHandshake(rule, connection), connection.closed])
      engine.releaseHandshake(connection)
      return onward
    case 'delay': {
      engine.note(connection, scope, `handshake delayed ${action.ms} ms ${by}`)
      const late = Promise.withResolvers<void>()
      const timer = engine.clock.after(action.ms, late.resolve)
      await Promise.race([late.promise, connection.closed])
      engine.clock.cancel(timer)
      return onward
    }
    case 'rewrite':
      engine.note(connection, scope, `handshake rewritten ${by}`)
      try {
        const { requestTarget, headers: rawHeaders } = rewriteRequest(
          { target, requestTarget: onward.requestTarget, headers: onward.rawHeaders },
          action.fn,
        )
        return { ...onward, requestTarget, rawHeaders }
      } catch (cause) {
        return failed(`could not rewrite the handshake, which went on as it was: ${messageOf(cause)}`, cause)
      }
    case 'redirect':
    case 'accept':
      return failed(
        `cannot ${action.kind} a WebSocket over HTTP/2, whose handshake went on; it does so where the client offers HTTP/1.1 only`,
      )
  }
}

function ignore(): void {}
