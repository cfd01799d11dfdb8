import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { EngineContext } from '../engine-context.ts'
import { HttpConnection, type Locus } from '../http/http-connection.ts'
import { splitAuthority, targetOf } from '../http/target.ts'
import { openUpstream, takeIn } from '../io/intake.ts'
import { Leg } from '../io/leg.ts'
import type { Scope } from '../scope.ts'
import type { Destination } from './inbound.ts'
import { bindLoopback } from './loopback-port.ts'
import { ToldClient } from './told-client.ts'

/** An HTTP proxy on a loopback port: requests in absolute form (RFC 9112 §3.2.2), and CONNECT with interception (RFC 9110 §9.3.6). */
export function listenForward(engine: EngineContext, scope: Scope): { readonly port: number; readonly server: Server } {
  return bindLoopback(socket => {
    const client = new Leg(socket)
    engine.legs.add(scope, client)
    const road = engine.network.open(client, { scope, to: undefined })
    new HttpConnection(engine, {
      client,
      destination: { host: '127.0.0.1', port: socket.localPort ?? 0 },
      scopeOf: () => scope,
      stack: undefined,
      onUnreachable: 'badGateway',
      locate,
      openUpstream: ({ host, port, secure }, to) => {
        const inbound = new ToldClient(socket, { host, port }, scope)
        return openUpstream(engine, inbound, to ?? engine.routes.find(inbound.destination), secure)
      },
      onConnect: (request, head) => {
        engine.network.leave(road)
        void openTunnel(engine, socket, request, head, scope)
      },
    })
  })
}

/** Hop-by-hop fields that are for us (RFC 9110 §7.6.1). */
const forProxies = new Set(['proxy-connection', 'proxy-authorization'])

function locate(scheme: 'http' | 'ws', request: IncomingMessage): Locus {
  const asked = request.url ?? ''
  const match = /^(?<scheme>https?|wss?):\/\/(?<authority>[^/?#]*)(?<rest>.*)$/i.exec(asked)
  const secure = /^(?:https|wss)$/i.test(match?.groups?.['scheme'] ?? '')
  const named = match?.groups?.['authority'] ?? request.headers.host ?? ''
  const rest = match ? match.groups?.['rest'] || '/' : asked
  const requestTarget = rest.startsWith('/') || rest === '*' ? rest : `/${rest}`
  const headers: string[] = []
  for (let n = 0; n < request.rawHeaders.length; n += 2) {
    const [name = '', value = ''] = [request.rawHeaders[n], request.rawHeaders[n + 1]]
    if (!forProxies.has(name.toLowerCase())) headers.push(name, value)
  }
  return { target: targetOf(scheme, secure, { host: named, port: secure ? 443 : 80 }, named, requestTarget), requestTarget, headers }
}

async function openTunnel(engine: EngineContext, socket: Socket, request: IncomingMessage, head: Buffer, scope: Scope): Promise<void> {
  const destination = splitAuthority(request.url ?? '', 443)
  if (!destination) return void socket.resume().end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
  await takeIn(engine, new ConnectClient(socket, head, destination, scope))
}

/** A client that waits for the answer to its CONNECT. It is never destroyed for an answer: some clients would try again at once, for ever. */
class ConnectClient extends ToldClient {
  readonly #socket: Socket
  readonly #head: Buffer
  #answered = false

  constructor(socket: Socket, head: Buffer, destination: Destination, scope: Scope) {
    super(socket, destination, scope)
    this.#socket = socket
    this.#head = head
  }

  override accept(): Promise<Socket> {
    this.#answered = true
    this.#socket.write('HTTP/1.1 200 Connection Established\r\n\r\n')
    if (this.#head.length > 0) this.#socket.unshift(this.#head)
    return super.accept()
  }

  override fail(error?: Error): void {
    if (this.#answered) return super.fail()
    const body = `Midwire could not reach ${this.destination.host}:${this.destination.port}: ${String(error)}\n`
    // Nobody else reads from here on, and an end that is not read leaves the socket open.
    this.#socket.resume()
    this.#socket.end(
      `HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    )
  }
}
