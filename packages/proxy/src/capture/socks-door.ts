import type { Socket } from 'node:net'
import type { EngineContext } from '../engine-context.ts'
import type { Leg } from '../io/leg.ts'
import type { Road } from '../io/road.ts'
import { takeBytes } from '../io/take-bytes.ts'
import { Scope } from '../scope.ts'
import type { Admission } from './front-door.ts'
import type { Destination } from './inbound.ts'
import { addressText, addressType, command, credentialsVersion, message, method, reply, replyTo, socksVersion } from './socks5.ts'
import { takeInTold, ToldClient } from './told-client.ts'

const nowhere: Destination = { host: '0.0.0.0', port: 0 }

/** Serves a client that speaks SOCKS 5 (RFC 1928): CONNECT, with or without credentials (RFC 1929). */
export async function serveSocks(engine: EngineContext, admission: Admission, client: Leg, road: Road): Promise<void> {
  const socket = client.raw
  /** Nothing is served: says so, and why. */
  const refuse = (answer: readonly number[] | Buffer, text: string): void => {
    engine.note(undefined, admission.scope, `refused a SOCKS client: ${text}`)
    socket.end(Buffer.from(answer))
    socket.resume()
  }
  const scope = await greet(engine, admission, socket, refuse)
  if (!(scope instanceof Scope)) return socket.writableEnded ? undefined : client.end()
  const head = await takeBytes(socket, 4)
  if (!head) return client.end()
  const [version, asked, , type = 0] = head
  if (version !== socksVersion) return refuse(message(reply.generalFailure, nowhere), `its request is of version ${version}; expected 5`)
  const host = await takeAddress(socket, type)
  if (host === 'unknown type') {
    return refuse(message(reply.addressTypeNotSupported, nowhere), `address type ${type}; expected 1, 3 or 4 (IPv4, domain name, IPv6)`)
  }
  const port = host === undefined ? undefined : (await takeBytes(socket, 2))?.readUInt16BE()
  if (host === undefined || port === undefined) return client.end()
  if (asked !== command.connect) {
    const name = asked === command.bind ? 'BIND' : asked === command.udpAssociate ? 'UDP ASSOCIATE' : `command ${asked}`
    return refuse(message(reply.commandNotSupported, nowhere), `${name}; only CONNECT is supported`)
  }
  if (port === 0 || !isHost(host)) {
    return refuse(message(reply.generalFailure, nowhere), `${JSON.stringify(host)}, port ${port}, is nowhere to connect to`)
  }
  engine.network.leave(road)
  takeInTold(engine, new SocksClient(socket, { host, port }, scope))
}

type Refuse = (answer: readonly number[], text: string) => void

/** RFC 1928 §3: how the client shows whose traffic it is. */
async function greet(engine: EngineContext, admission: Admission, socket: Socket, refuse: Refuse): Promise<Scope | undefined> {
  const head = await takeBytes(socket, 2)
  const offered = head && (await takeBytes(socket, head[1] ?? 0))
  if (!offered) return undefined
  // Who offers credentials has them, and would have its traffic told apart.
  if (offered.includes(method.usernamePassword)) {
    socket.write(Buffer.from([socksVersion, method.usernamePassword]))
    return authenticate(engine, admission, socket, refuse)
  }
  if (admission.needsCredentials || !offered.includes(method.none)) {
    const wanted = admission.needsCredentials ? 'user name and password' : 'no authentication, or user name and password'
    return void refuse([socksVersion, method.unacceptable], `it offers methods ${offered.join(', ') || 'none'}; expected ${wanted}`)
  }
  socket.write(Buffer.from([socksVersion, method.none]))
  return admission.scope
}

/** RFC 1929 §2. */
async function authenticate(engine: EngineContext, admission: Admission, socket: Socket, refuse: Refuse): Promise<Scope | undefined> {
  const head = await takeBytes(socket, 2)
  const username = head && (await takeBytes(socket, head[1] ?? 0))
  const length = username && (await takeBytes(socket, 1))
  const password = length && (await takeBytes(socket, length[0] ?? 0))
  if (!head || !username || !password) return undefined
  const isNamed = username.length > 0 || admission.needsCredentials
  const scope = isNamed ? engine.credentials.scopeOf(username.toString('utf8')) : admission.scope
  if (!scope || head[0] !== credentialsVersion) {
    return void refuse([credentialsVersion, 1], 'its credentials were not handed out by this proxy')
  }
  socket.write(Buffer.from([credentialsVersion, 0]))
  return scope
}

async function takeAddress(socket: Socket, type: number): Promise<string | undefined> {
  const length =
    type === addressType.ipv4 ? 4 : type === addressType.ipv6 ? 16 : type === addressType.domain ? (await takeBytes(socket, 1))?.[0] : -1
  if (length === -1) return 'unknown type'
  const bytes = length === undefined ? undefined : await takeBytes(socket, length)
  return bytes && addressText(type, bytes)
}

function isHost(host: string): boolean {
  return host !== '' && !/[\s/@\\?#\u0000-\u001f\u007f\ufffd]/.test(host)
}

/** A client that waits for the reply to its CONNECT. */
class SocksClient extends ToldClient {
  readonly #socket: Socket
  #answered = false

  constructor(socket: Socket, destination: Destination, scope: Scope) {
    super(socket, destination, scope)
    this.#socket = socket
  }

  override accept(upstream?: Socket): Promise<Socket> {
    this.#answered = true
    const { localAddress: host, localPort: port } = upstream ?? {}
    this.#socket.write(message(reply.succeeded, host === undefined || port === undefined ? nowhere : { host, port }))
    return super.accept()
  }

  override fail(error?: Error): void {
    if (this.#answered) return super.fail()
    // Nobody else reads from here on, and an end that is not read leaves the socket open.
    this.#socket.resume()
    this.#socket.end(message(replyTo(error), nowhere))
  }
}
