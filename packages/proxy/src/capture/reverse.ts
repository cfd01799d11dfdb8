import type { Server } from 'node:net'
import type { EngineContext } from '../engine-context.ts'
import { authority, targetOf } from '../http/target.ts'
import { HttpConnection } from '../http/http-connection.ts'
import { withHeader } from '../http/raw-headers.ts'
import { withOrigin } from '../http2/heads.ts'
import { Http2Connection } from '../http2/http2-connection.ts'
import { Leg } from '../io/leg.ts'
import { laterTurn } from '../io/clock.ts'
import { openUpstream } from '../io/intake.ts'
import { sniff } from '../io/sniff.ts'
import { connectOutcome } from '../rule/connect-outcome.ts'
import type { Scope } from '../scope.ts'
import { bindLoopback } from './loopback-port.ts'
import { reboundFault } from './rebinding.ts'
import { parseUpstream } from './route.ts'
import { ToldClient } from './told-client.ts'

/** A loopback port that stands for one upstream origin: plain towards the client, and as the origin says towards the server. */
export function listenReverse(
  engine: EngineContext,
  origin: string,
  scope: Scope,
  wanted = 0,
): { readonly port: number; readonly server: Server } {
  const { host, port, secure } = parseUpstream('urlFor', origin)
  const hostHeader = authority(host, port, secure)
  return bindLoopback(
    socket => {
      const inbound = new ToldClient(socket, { host, port }, scope)
      const client = new Leg(socket)
      engine.legs.add(scope, client)
      engine.network.open(client, { scope, to: inbound.destination })
      const attempt = engine.tcpAttempt(scope, inbound.destination)
      const outage = engine.network.outageFor(scope, inbound.destination)
      if (outage) {
        // The client is connected to us already; a network that does not answer is one that says nothing.
        attempt.outcome = `offline: ${outage.text}`
        if (outage.errorFor(inbound.destination)) return client.reset()
      }
      const rule = engine.decideConnect(scope, inbound.destination)
      if (rule) {
        // The client is connected to us already: what it can still be shown is a connection that dies, or one that says nothing.
        attempt.outcome = connectOutcome(rule)
        if (rule.action.kind === 'timeout' || rule.action.kind === 'hang') engine.parkLeg(scope, client)
        else if (rule.action.kind === 'hangUp' && rule.action.how === 'fin') client.end()
        // A client is told of its connection first, unless the RST overtakes that in its kernel.
        else void laterTurn().then(() => client.reset())
        socket.resume()
        return
      }
      attempt.outcome = 'connected'
      void sniff(client.stream, undefined).then(({ kind }) => {
        // A client that ends before it has said a word will not be heard of again.
        if (client.stream.readableEnded) client.end()
        else if (kind === 'http2') serveHttp2()
        else serveHttp1()
      })

      const { destination } = inbound
      const common = { client, destination, scopeOf: () => scope, stack: undefined } as const
      const serveHttp1 = (): void => {
        if (client.closed) return
        new HttpConnection(engine, {
          ...common,
          onUnreachable: 'reset',
          refuse: request => {
            const rebound = reboundFault(request, socket.localPort)
            if (rebound) engine.note(undefined, scope, `refused ${request.method} with ${rebound.status}: ${rebound.text}`)
            return rebound
          },
          locate: (scheme, request) => ({
            target: targetOf(scheme, secure, destination, hostHeader, request.url ?? ''),
            requestTarget: request.url ?? '',
            headers: withHeader(request.rawHeaders, 'host', hostHeader),
          }),
          openUpstream: (_target, to) => openUpstream(engine, inbound, to ?? engine.routes.find(destination), secure),
        })
      }
      const serveHttp2 = (): void => {
        new Http2Connection(engine, {
          ...common,
          dialled: undefined,
          locate: (scheme, head) => ({
            target: targetOf(scheme, secure, destination, hostHeader, head.requestTarget),
            onward: withOrigin(head, secure ? 'https' : 'http', hostHeader),
          }),
          openUpstream: () => openUpstream(engine, inbound, engine.routes.find(destination), secure, ['h2']),
        })
      }
    },
    { port: wanted },
  )
}
