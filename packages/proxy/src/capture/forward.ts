import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { EngineContext } from '../engine-context.ts'
import { HttpConnection, type Locus } from '../http/http-connection.ts'
import { type PlainAnswer, plainAnswer } from '../http/plain-answer.ts'
import { withHeader } from '../http/raw-headers.ts'
import { authority, splitAuthority, targetOf } from '../http/target.ts'
import { connectOutcome } from '../rule/connect-outcome.ts'
import { cannotAct, endConnect } from '../io/dead-end.ts'
import { openUpstream } from '../io/intake.ts'
import type { Leg } from '../io/leg.ts'
import type { Road } from '../io/road.ts'
import { Scope } from '../scope.ts'
import { type AskedTarget, askedTarget, upstreamFields } from './asked-target.ts'
import { type Admission, admit } from './front-door.ts'
import type { Destination } from './inbound.ts'
import type { Upstream } from './route.ts'
import { reboundFault } from './rebinding.ts'
import { takeInTold, ToldClient } from './told-client.ts'

/**
 * Serves a client of the HTTP proxy: requests in absolute form (RFC 9112 §3.2.2), CONNECT with interception (RFC 9110 §9.3.6), and
 * requests in origin form that name their upstream themselves.
 */
export function serveForward(engine: EngineContext, admission: Admission, client: Leg, road: Road): void {
  const socket = client.raw
  // Of the latest request: each brings its own credentials, and is asked about at once.
  let { scope } = admission
  let asked: AskedTarget | undefined
  new HttpConnection(engine, {
    client,
    destination: { host: '127.0.0.1', port: socket.localPort ?? 0 },
    // What is not intercepted is relayed unseen.
    scopeOf: () => (asked && !scope.ended && !engine.options.interception.covers(asked.destination) ? undefined : scope),
    refuse: request => {
      const admitted = admit(engine, admission, request)
      const refusal = admitted instanceof Scope ? whyUnfit(engine, socket, request) : admitted
      if (admitted instanceof Scope) scope = admitted
      const target = askedTarget(request)
      asked = typeof target === 'string' ? undefined : target
      if (refusal) note(engine, scope, request, refusal)
      else withdraw(request)
      return refusal
    },
    stack: undefined,
    onUnreachable: 'badGateway',
    locate: (scheme, request) => locate(scheme, request, asked),
    openUpstream: ({ host, port, secure }, to) => connect(engine, new AskingClient(socket, { host, port }, scope), scope, to, secure),
    onConnect: (request, head) => {
      engine.network.leave(road)
      const destination = tunnelTarget(request.url ?? '')
      if (destination) takeInTold(engine, new ConnectClient(socket, head, destination, scope))
    },
  })
}

/** Fields that are for us (RFC 9110 §7.6.1, §11.7.2): nobody else is to see them. */
const forProxies = new Set<string>(['proxy-connection', 'proxy-authorization', ...Object.values(upstreamFields)])

/** Takes out what was meant for us. */
function withdraw({ rawHeaders, headers }: IncomingMessage): void {
  const others = rawHeaders.filter((_, n) => !forProxies.has((rawHeaders[n - (n % 2)] ?? '').toLowerCase()))
  rawHeaders.splice(0, rawHeaders.length, ...others)
  for (const name of forProxies) Reflect.deleteProperty(headers, name)
}

function locate(scheme: 'http' | 'ws', { rawHeaders }: IncomingMessage, asked: AskedTarget | undefined): Locus {
  if (!asked) throw new Error('a request that was refused is not served')
  const { secure, destination, requestTarget, hostHeader } = asked
  const named = authority(destination.host, destination.port, secure)
  return {
    target: targetOf(scheme, secure, destination, named, requestTarget),
    requestTarget,
    headers: hostHeader === undefined ? rawHeaders : withHeader(rawHeaders, 'host', hostHeader),
  }
}

function note(engine: EngineContext, scope: Scope, { method, url = '' }: IncomingMessage, { status, text }: PlainAnswer): void {
  engine.note(undefined, scope, `refused ${method} ${url.slice(0, 200)} with ${status}: ${text}`)
}

/** Why a request cannot be served by a proxy. */
function whyUnfit(engine: EngineContext, socket: Socket, request: IncomingMessage): PlainAnswer | undefined {
  const { url = '', method } = request
  if (method === 'CONNECT') {
    if (tunnelTarget(url)) return undefined
    return { status: 400, text: `Midwire: CONNECT ${JSON.stringify(url)}; expected host:port` }
  }
  const asked = askedTarget(request)
  if (typeof asked === 'string') return { status: 400, text: `Midwire: ${asked}` }
  // Who has credentials is no page in a browser.
  const rebound = request.headers['proxy-authorization'] === undefined ? reboundFault(request, socket.localPort) : undefined
  if (rebound) return rebound
  const { host, port } = asked.destination
  // What is asked of ourselves would come back to us, and again: by whatever name, where Host alone says so.
  const isByHost = !url.includes('://') && request.headers[upstreamFields.host] === undefined
  if (port !== socket.localPort || url.includes('://') || (!isByHost && host !== socket.localAddress && !engine.isOwn(asked.destination)))
    return undefined
  return {
    status: 400,
    text: `Midwire: this is a proxy; ask it for a URL such as http://host/path, or name the upstream with Midwire-Host`,
  }
}

/** A client that waits for the answer to a request: what its connect fails with, it is told in a 502. */
class AskingClient extends ToldClient {
  readonly #failed = Promise.withResolvers<never>()
  readonly failure: Promise<never> = this.#failed.promise
  #connected = false

  constructor(socket: Socket, destination: Destination, scope: Scope) {
    super(socket, destination, scope)
    this.failure.catch(() => {})
  }

  connected(): void {
    this.#connected = true
  }

  override fail(error: Error): void {
    if (this.#connected) super.fail(error)
    else this.#failed.reject(error)
  }
}

/** Connects for a request in absolute form, as the rules will have it. @throws the error that the client is told */
async function connect(
  engine: EngineContext,
  inbound: AskingClient,
  scope: Scope,
  to: Upstream | undefined,
  secure: boolean,
): Promise<Leg> {
  const { destination } = inbound
  const attempt = engine.tcpAttempt(scope, destination)
  const rule = engine.decideConnect(scope, destination)
  if (rule) {
    const { action } = rule
    attempt.outcome = connectOutcome(rule)
    if (action.kind === 'presentCertificate' || action.kind === 'failTls') {
      cannotAct(engine, rule, `the client speaks no TLS to ${destination.host}:${destination.port}`)
    } else {
      await endConnect(engine, scope, inbound, rule, action)
      // Where it has not failed, it was cut off, or waits for ever.
      await inbound.failure
    }
  }
  try {
    const leg = await openUpstream(engine, inbound, to ?? engine.routes.find(destination), secure)
    attempt.outcome = 'connected'
    inbound.connected()
    return leg
  } catch (error) {
    attempt.outcome = `failed: ${String(error)}`
    throw error
  }
}

/** RFC 9110 §9.3.6: a CONNECT names host and port. */
function tunnelTarget(url: string): Destination | undefined {
  const destination = splitAuthority(url, 0)
  if (!destination || /[\s@/\\]/.test(destination.host)) return undefined
  return destination.port >= 1 && destination.port <= 65535 ? destination : undefined
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
    const { host, port } = this.destination
    // Nobody else reads from here on, and an end that is not read leaves the socket open.
    this.#socket.resume()
    this.#socket.end(plainAnswer({ status: 502, text: `Midwire could not reach ${host}:${port}: ${String(error)}` }))
  }
}
