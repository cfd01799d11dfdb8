import { type IncomingMessage, STATUS_CODES } from 'node:http'
import { parseUpstream, type Upstream } from '../capture/route.ts'
import type { EngineContext } from '../engine-context.ts'
import { messageOf, MidwireError, nameOf } from '../errors.ts'
import type { Leg } from '../io/leg.ts'
import { startWebSocket } from '../io/start-web-socket.ts'
import type { WireConnection } from '../io/wire-connection.ts'
import { ruleLabel } from '../rule/rule-label.ts'
import type { HandshakeAction } from '../rule/rule.ts'
import type { Scope } from '../scope.ts'
import { parseProtocols, rewriteAnswer, rewriteOffer } from '../ws/handshake.ts'
import type { EarlyBytes } from './early-bytes.ts'
import type { Locus } from './http-connection.ts'
import { rewriteRequest } from './rewritten-request.ts'
import type { Target } from './target.ts'
import { headerLines, withHeader } from './raw-headers.ts'
import { askToUpgrade, writeSwitch } from './upgrade.ts'
import type { UpstreamLink } from './upstream-link.ts'

/** What the HTTP connection that a WebSocket begins on lends it. */
export interface Doorway {
  readonly client: Leg
  readonly link: UpstreamLink | undefined
  /** What the client is answered where upstream cannot be reached; `undefined`: it is reset. */
  readonly unreachableStatus: number | undefined
  openLink(target: Target): Promise<UpstreamLink>
  /** Gives up the upstream leg, if there is one, for another. */
  replaceLink(leg: Leg): UpstreamLink
  openUpstream(target: Target, to: Upstream): Promise<Leg>
  relayRefusal(request: IncomingMessage, early: EarlyBytes, answer: IncomingMessage): Promise<void>
}

/** One handshake (RFC 6455 §4): the rules decide, upstream answers, and a session begins. */
export async function openWebSocket(
  engine: EngineContext,
  door: Doorway,
  request: IncomingMessage,
  early: EarlyBytes,
  scope: Scope,
  locus: Locus,
): Promise<void> {
  const { client } = door
  const connection = engine.sockets.open(scope, locus.target, request)
  if (client.road) connection.travelOn(client.road, engine.network, false)
  const giveUp = (): void => {
    if (client.wasReset) door.link?.leg.reset()
    client.end()
    door.link?.destroy()
    connection.markClosed()
  }
  connection.abandonWith(giveUp)
  early.onEnd(() => {
    if (connection.state === 'opening') engine.refused(connection, undefined, 'the client left before it was answered')
    giveUp()
  })

  const asked = await askRules(engine, door, connection, request, locus).catch((error: unknown) => {
    if (connection.state === 'opening') engine.refused(connection, door.unreachableStatus, `no upstream connection: ${nameOf(error)}`)
    connection.markClosed()
    throw error
  })
  if (!asked) return
  if (connection.state !== 'opening') return asked.link.destroy()
  const { link, requestTarget, headers } = asked
  const offer = rewriteOffer(request.headers['sec-websocket-extensions'])
  for (const text of offer.notes) engine.note(connection, scope, text)
  const answer = await askToUpgrade(request, requestTarget, withHeader(headers, 'sec-websocket-extensions', offer.header), link)
  if (connection.state !== 'opening') return link.destroy()
  if (answer.kind === 'failed') {
    engine.refused(connection, undefined, `upstream ended before it answered: ${answer.error.message}`)
    connection.markClosed()
    return client.endLike(link.leg)
  }
  const { response } = answer
  if (answer.kind === 'refused') {
    engine.refused(connection, response.statusCode, `${response.statusCode} ${response.statusMessage} from upstream`)
    connection.markClosed()
    return door.relayRefusal(request, early, response)
  }
  const { header, agreement, problem } = rewriteAnswer(response.headers['sec-websocket-extensions'], offer)
  if (problem !== undefined) {
    engine.refused(connection, undefined, problem)
    link.leg.reset()
    connection.markClosed()
    return client.reset()
  }

  const protocol = response.headers['sec-websocket-protocol'] ?? ''
  writeSwitch(client, response, withHeader(response.rawHeaders, 'sec-websocket-extensions', header))
  startWebSocket(engine, connection, {
    legs: { client, server: link.leg },
    protocol,
    agreement,
    head: { client: early.take(), server: answer.head },
  })
}

/** Where the handshake goes and as what; `undefined` if a rule has answered it. */
async function askRules(
  engine: EngineContext,
  door: Doorway,
  connection: WireConnection,
  request: IncomingMessage,
  locus: Locus,
): Promise<{ readonly link: UpstreamLink; readonly requestTarget: string; readonly headers: readonly string[] } | undefined> {
  const { host, port, url, path, query, headers, attempt, scope } = connection
  const protocol = parseProtocols(request.headers['sec-websocket-protocol'])
  const rule = engine.decideHandshake(scope, { host, port, url, path, query, headers, protocol, attempt })
  const onward = async (): Promise<{ link: UpstreamLink } & Pick<Locus, 'requestTarget' | 'headers'>> => ({
    ...locus,
    link: await door.openLink(locus.target),
  })
  if (!rule) return onward()
  const by = `by ${ruleLabel(rule)}`
  const note = (text: string): void => engine.note(connection, scope, text)
  switch (rule.action.kind) {
    case 'respondWith':
      engine.refused(connection, rule.action.status, `${statusLine(rule.action.status)} ${by}`)
      return void refuse(door, connection, rule.action)
    case 'reset':
      engine.refused(connection, undefined, `reset ${by}`)
      connection.markClosed()
      door.link?.leg.reset()
      return void door.client.reset()
    case 'end':
      engine.refused(connection, undefined, `ended ${by}`)
      connection.markClosed()
      door.link?.destroy()
      return void door.client.end()
    case 'hold':
      note(`handshake held ${by}`)
      await Promise.race([engine.holdHandshake(rule, connection), connection.closed])
      engine.releaseHandshake(connection)
      return connection.state === 'opening' ? onward() : undefined
    case 'delay': {
      const { ms } = rule.action
      note(`handshake delayed ${ms} ms ${by}`)
      const late = Promise.withResolvers<void>()
      const timer = engine.clock.after(ms, late.resolve)
      await Promise.race([late.promise, connection.closed])
      engine.clock.cancel(timer)
      return connection.state === 'opening' ? onward() : undefined
    }
    case 'redirect': {
      const { url: elsewhere } = rule.action
      note(`handshake redirected to ${elsewhere} ${by}`)
      const leg = await door.openUpstream(locus.target, parseUpstream('redirect', elsewhere))
      return {
        link: door.replaceLink(leg),
        requestTarget: locus.requestTarget,
        headers: withHeader(locus.headers, 'host', new URL(elsewhere).host),
      }
    }
    case 'accept': {
      const { messages } = rule.action
      note(`handshake accepted ${by}: there is no upstream`)
      const codec = {
        from: 'server',
        binary: false,
        protocol: protocol[0] ?? '',
        state: engine.codec.state?.({ from: 'server', protocol: protocol[0] ?? '', url: connection.url }),
      } as const
      const leg = engine.scripted.open(() => messages.flatMap(value => engine.codec.encode(value, codec)))
      return { ...locus, link: door.replaceLink(leg) }
    }
    case 'rewrite':
      note(`handshake rewritten ${by}`)
      try {
        return { ...(await onward()), ...rewriteRequest(locus, rule.action.fn) }
      } catch (cause) {
        const text = `${rule.name ?? rule.start} could not rewrite the handshake, which went on as it was: ${messageOf(cause)}`
        engine.fail({ scope: rule.scope, rule, message: undefined, error: new MidwireError('MIDWIRE_RULE_FAILED', text, { cause }) })
        return onward()
      }
  }
}

function refuse(
  door: Doorway,
  connection: WireConnection,
  { status, body, headers }: Extract<HandshakeAction, { kind: 'respondWith' }>,
): void {
  connection.markClosed()
  const head = `HTTP/1.1 ${statusLine(status)}\r\n${headerLines(headers)}\r\n`
  door.client.stream.end(Buffer.concat([Buffer.from(head, 'latin1'), body]))
  door.link?.destroy()
}

function statusLine(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? ''}`
}
