import type { TLSSocket } from 'node:tls'
import type { Inbound } from '../capture/inbound.ts'
import type { Upstream } from '../capture/route.ts'
import type { EngineContext } from '../engine-context.ts'
import { MidwireError } from '../errors.ts'
import { HttpConnection } from '../http/http-connection.ts'
import { authorityOf } from '../http2/heads.ts'
import { Http2Connection } from '../http2/http2-connection.ts'
import { targetOf } from '../http/target.ts'
import { connectOutcome } from '../rule/connect-outcome.ts'
import type { Scope } from '../scope.ts'
import type { FalseCertificate } from '../rule/tls-fault.ts'
import { laterTurn } from './clock.ts'
import { refused, timedOut } from './connect-errors.ts'
import { cannotAct, endConnect, failConnect } from './dead-end.ts'
import { dialUpstream } from './dial-upstream.ts'
import { Leg } from './leg.ts'
import { putOnTls } from './put-on-tls.ts'
import { type Hello, type Sniffed, sniff } from './sniff.ts'
import { takeOffTls } from './take-off-tls.ts'
import { journalledTunnel, tunnel } from './tunnel.ts'

/** Takes one connection that a client wants to open: dials, accepts, finds out what it speaks, and hands it on. */
export async function takeIn(engine: EngineContext, inbound: Inbound): Promise<void> {
  const scope = engine.scopeOf(inbound.scope)
  const { destination } = inbound
  if (scope?.ended) {
    engine.leak({ scope, ...destination, stack: inbound.stack })
    return failLater(inbound, refused(destination.host, destination.port))
  }
  // A client in this process that was told to use one of our own ports: it is seen there.
  if (engine.isOwn(destination)) {
    // It may end before its client is accepted.
    const server = new Leg(await inbound.dial())
    const client = new Leg(await inbound.accept(server.raw))
    if (!server.closed) return tunnel(client, server)
    // Its client is told that it is connected first.
    await laterTurn()
    return client.endLike(server)
  }
  const attempt = engine.tcpAttempt(scope, destination)
  for (let outage = engine.network.outageFor(scope, destination); outage; outage = engine.network.outageFor(scope, destination)) {
    attempt.outcome = `offline: ${outage.text}`
    const failure = outage.failureFor(destination.host)
    if (failure) return failConnect(inbound, failure)
    const came = await outage.overOr(inbound.gone)
    if (came === 'gone') return
    if (came === 'ended') return inbound.failAttempts({ error: timedOut })
  }
  const rule = scope && engine.decideConnect(scope, destination)
  if (rule) {
    attempt.outcome = connectOutcome(rule)
    if (rule.action.kind !== 'presentCertificate') return endConnect(engine, scope, inbound, rule, rule.action)
  }
  const certificate = rule?.action.kind === 'presentCertificate' ? rule.action.certificate : undefined

  const route = engine.routes.find(destination)
  const isCovered = engine.options.interception.covers(destination)
  const answersItself = scope !== undefined && isCovered && (certificate !== undefined || engine.mayAnswer(scope, destination))
  let server: Leg | undefined
  if (engine.options.upstream === 'none' && !route) {
    if (!answersItself) {
      attempt.outcome = `refused: upstream is 'none' and no rule answers for this host`
      return failLater(inbound, refused(destination.host, destination.port))
    }
  } else if (!answersItself) {
    try {
      server = new Leg(await dialUpstream(engine, inbound, route))
    } catch (error) {
      attempt.outcome = `failed: ${String(error)}${route ? ` (routed to ${route.text})` : ''}`
      return inbound.fail(error as Error)
    }
  }
  if (inbound.gone.aborted) return server?.destroy()
  const client = new Leg(await inbound.accept(server?.raw))
  attempt.outcome = 'connected'
  engine.legs.add(inbound.scope ?? scope, client)
  const road = engine.network.open(client, { scope, to: destination })
  if (server) road.join(server)

  if (!isCovered) {
    if (certificate && rule) cannotAct(engine, rule, `${destination.host}:${destination.port} is not intercepted`)
    return server ? journalledTunnel(engine, inbound, client, server) : client.reset()
  }
  const first = await sniff(client.stream, server?.stream)
  if (client.closed) return server?.destroy()
  if (server?.closed) return client.endLike(server)
  if (certificate && rule) {
    if (first.kind === 'tls') return handTls(engine, inbound, client, server, route, first, certificate)
    cannotAct(engine, rule, `the client speaks no TLS to ${destination.host}:${destination.port}`)
  }
  await hand(engine, inbound, client, server, route, first, undefined)
}

/** `hello` is the ClientHello of the TLS layer that was taken off, if one was. */
async function hand(
  engine: EngineContext,
  inbound: Inbound,
  client: Leg,
  server: Leg | undefined,
  route: Upstream | undefined,
  first: Sniffed,
  hello: Hello | undefined,
): Promise<void> {
  const { destination } = inbound
  const scopeOf = (k: number): Scope | undefined => engine.scopeOf(inbound.exchangeScope(k))
  switch (first.kind) {
    case 'other':
      if (server) return journalledTunnel(engine, inbound, client, server)
      engine.note(
        undefined,
        engine.scopeOf(inbound.scope),
        `${destination.host}:${destination.port} speaks neither TLS nor HTTP, and there is no upstream: reset`,
      )
      return client.reset()
    case 'http': {
      let ready = server
      server?.stream.once('close', () => {
        if (ready) client.endLike(ready)
      })
      // A client that leaves without a whole request never asks for what was dialled for it.
      client.stream.once('close', () => {
        if (client.wasReset) ready?.reset()
        else ready?.destroy()
      })
      new HttpConnection(engine, {
        client,
        destination,
        scopeOf,
        hasClosed: () => inbound.hasClosed?.() ?? false,
        stack: inbound.stack,
        onUnreachable: 'reset',
        locate: (scheme, request) => ({
          target: targetOf(scheme, hello !== undefined, destination, request.headers.host, request.url ?? ''),
          requestTarget: request.url ?? '',
          headers: request.rawHeaders,
        }),
        openUpstream: async (_target, to) => {
          const dialled = ready
          ready = undefined
          if (to) dialled?.destroy()
          else if (dialled) return !hello && route?.secure ? putOnTls(inbound, dialled, undefined, []) : dialled
          return openUpstream(engine, inbound, to ?? route, hello !== undefined, http1Of(hello), hello)
        },
      })
      return
    }
    case 'http2': {
      const dialled = server && !hello && route?.secure ? await putOnTls(inbound, server, undefined, ['h2']) : server
      new Http2Connection(engine, {
        client,
        dialled,
        destination,
        locate: (scheme, head) => ({
          target: targetOf(scheme, hello !== undefined, destination, authorityOf(head), head.requestTarget),
          onward: head,
        }),
        scopeOf: id => engine.scopeOf(inbound.streamScope(id)),
        stack: inbound.stack,
        openUpstream: () => openUpstream(engine, inbound, route, hello !== undefined, ['h2'], hello),
      })
      return
    }
    case 'tls':
      return handTls(engine, inbound, client, server, route, first)
  }
}

async function handTls(
  engine: EngineContext,
  inbound: Inbound,
  client: Leg,
  server: Leg | undefined,
  route: Upstream | undefined,
  hello: Hello,
  certificate?: FalseCertificate,
): Promise<void> {
  if (inbound.tlsTold) await inbound.tlsTold()
  const obstacle = inbound.tlsObstacle()
  if (obstacle) {
    if (!engine.scopeOf(inbound.scope) && server && route?.secure !== false) return tunnel(client, server)
    server?.destroy()
    inbound.fail(obstacle)
    return client.destroy()
  }
  const name = hello.serverName ?? inbound.destination.host
  if (!engine.authority.vouchesFor(name)) {
    engine.note(undefined, engine.scopeOf(inbound.scope), `not intercepted: authority.names does not have ${name}`)
    return server && route?.secure !== false ? journalledTunnel(engine, inbound, client, server) : client.reset()
  }
  // TLS over a socket whose end has been read would never hear of it.
  if (server?.stream.readableEnded) return journalledTunnel(engine, inbound, client, server)
  let secured = server
  // What upstream would select is not known where it is not asked, or asked without TLS: then what every server speaks goes first.
  let alpn = ['http/1.1', 'h2'].find(protocol => hello.alpn.includes(protocol))
  if (server && route?.secure !== false) {
    try {
      secured = await putOnTls(inbound, engine.network.beneathTls(server), hello, hello.alpn)
    } catch (error) {
      engine.note(undefined, engine.scopeOf(inbound.scope), `TLS to ${inbound.destination.host} failed: ${String(error)}`)
      server.destroy()
      // A network that cuts both sides off says nothing to either.
      if (client.isCut) return
      inbound.fail(error as Error)
      return client.destroy()
    }
    alpn = (secured.stream as TLSSocket).alpnProtocol || undefined
  }
  if (client.closed) return secured?.destroy()
  const plain = await takeOffTls(engine, client, name, alpn, certificate)
  if (!plain) return secured?.destroy()
  // Its client has said what it will speak, and a server of HTTP/2 may speak before it.
  const first: Sniffed = alpn === 'h2' ? { kind: 'http2' } : await sniff(plain.stream, secured?.stream)
  if (plain.closed) return secured?.destroy()
  if (secured?.closed) return plain.endLike(secured)
  await hand(engine, inbound, plain, secured, route, first.kind === 'tls' ? { kind: 'other' } : first, hello)
}

/** What may be offered for a client that speaks HTTP/1 to us. */
function http1Of(hello: Hello | undefined): readonly string[] {
  return hello?.alpn.filter(protocol => protocol !== 'h2') ?? []
}

/**
 * Dials when the first request needs it, for a client that was accepted before; with TLS, these protocols are offered. The client's
 * own version has been settled by then: an upstream that does not speak it cannot be used.
 */
export async function openUpstream(
  engine: EngineContext,
  inbound: Inbound,
  to: Upstream | undefined,
  meansTls: boolean,
  offered: readonly string[] = [],
  hello?: Hello,
): Promise<Leg> {
  if (!to && engine.options.upstream === 'none') {
    throw new MidwireError('MIDWIRE_BAD_USE', `upstream is 'none', and no rule answered for ${inbound.destination.host}`)
  }
  const { destination } = inbound
  const outage = engine.network.outageFor(engine.scopeOf(inbound.scope), destination)
  const error = outage?.errorFor(destination)
  if (error) throw error
  if ((await outage?.overOr(inbound.gone)) === 'ended') throw timedOut(destination.host, destination.port)
  const leg = new Leg(await dialUpstream(engine, inbound, to))
  const wantsTls = to ? to.secure : meansTls
  return wantsTls ? putOnTls(inbound, leg, hello, offered) : leg
}

/** A client that connects again at once must not find out in the same turn, or the loop would never get to anything else. */
async function failLater(inbound: Inbound, error: Error): Promise<void> {
  await laterTurn()
  inbound.fail(error)
}
