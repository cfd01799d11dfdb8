import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { EngineContext } from '../engine-context.ts'
import type { PlainAnswer } from '../http/plain-answer.ts'
import { Leg } from '../io/leg.ts'
import { peekByte } from '../io/take-bytes.ts'
import type { Scope } from '../scope.ts'
import { basicUsername } from './credentials.ts'
import { serveForward } from './forward.ts'
import { serveSocks } from './socks-door.ts'
import { type Bind, bindLoopback } from './loopback-port.ts'

/** Who may come in by a front door, and whose traffic it is. */
export interface Admission {
  /** Of clients without credentials. */
  readonly scope: Scope
  /** Clients without credentials are turned away. */
  readonly needsCredentials: boolean
}

/** A port for clients that were told of a proxy: HTTP in absolute form, CONNECT, requests that name their upstream, and SOCKS 5. */
export function listenFrontDoor(
  engine: EngineContext,
  admission: Admission,
  at?: Bind,
): { readonly port: number; readonly server: Server } {
  return bindLoopback(socket => {
    takeClient(engine, admission, socket).catch((error: unknown) => {
      engine.note(undefined, admission.scope, `a client of the proxy was given up: ${String(error)}`)
      socket.destroy()
    })
  }, at)
}

async function takeClient(engine: EngineContext, admission: Admission, socket: Socket): Promise<void> {
  const client = new Leg(socket)
  engine.legs.add(admission.scope, client)
  const road = engine.network.open(client, { scope: admission.scope, to: undefined })
  const first = await peekByte(client.stream)
  const refuse = (what: string, answer = ''): void => {
    engine.note(undefined, admission.scope, `refused a client of the proxy: ${what}; expected HTTP or SOCKS 5`)
    client.stream.end(answer, 'latin1')
    client.stream.resume()
  }
  switch (first) {
    case undefined:
      return client.end()
    case 5:
      return serveSocks(engine, admission, client, road)
    case 4:
      // Its own way to say no: request rejected.
      return refuse('it speaks SOCKS 4', '\u0000\u005b\0\0\0\0\0\0')
    case 0x16:
      return refuse('it speaks TLS to the proxy itself')
    default:
      return serveForward(engine, admission, client, road)
  }
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
