import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { EngineContext } from '../engine-context.ts'
import type { PlainAnswer } from '../http/plain-answer.ts'
import { Leg } from '../io/leg.ts'
import type { Scope } from '../scope.ts'
import { basicUsername } from './credentials.ts'
import { serveForward } from './forward.ts'
import { type Bind, bindLoopback } from './loopback-port.ts'

/** Who may come in by a front door, and whose traffic it is. */
export interface Admission {
  /** Of clients without credentials. */
  readonly scope: Scope
  /** Clients without credentials are turned away. */
  readonly needsCredentials: boolean
}

/** A port for clients that were told of a proxy: HTTP in absolute form, CONNECT, and requests that name their upstream. */
export function listenFrontDoor(
  engine: EngineContext,
  admission: Admission,
  at?: Bind,
): { readonly port: number; readonly server: Server } {
  return bindLoopback(socket => takeClient(engine, admission, socket), at)
}

function takeClient(engine: EngineContext, admission: Admission, socket: Socket): void {
  const client = new Leg(socket)
  engine.legs.add(admission.scope, client)
  const road = engine.network.open(client, { scope: admission.scope, to: undefined })
  serveForward(engine, admission, client, road)
}

/** Whose traffic a request to the proxy is, by its credentials (RFC 9110 §11.7.2), or why it is turned away. */
export function admit(engine: EngineContext, { scope, needsCredentials }: Admission, request: IncomingMessage): Scope | PlainAnswer {
  const field = request.headers['proxy-authorization']
  if (field === undefined) return needsCredentials ? refusal('this proxy needs credentials, and there were none') : scope
  const username = basicUsername(field)
  const own = username === undefined ? undefined : engine.credentials.scopeOf(username)
  return own ?? refusal('these credentials were not handed out by this proxy')
}

function refusal(text: string): PlainAnswer {
  return { status: 407, text: `Midwire: ${text}`, headers: ['Proxy-Authenticate', 'Basic realm="Midwire", charset="UTF-8"'] }
}
