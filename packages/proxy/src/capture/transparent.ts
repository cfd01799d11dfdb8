import { isIP } from 'node:net'
import type { Server, Socket, TcpNetConnectOpts } from 'node:net'
import type { EngineContext } from '../engine-context.ts'
import { splitAuthority } from '../http/target.ts'
import { takeIn } from '../io/intake.ts'
import { classify } from '../io/sniff.ts'
import { parseClientHello } from '../tls/client-hello.ts'
import type { Scope } from '../scope.ts'
import type { Destination } from './inbound.ts'
import { bindLoopback } from './loopback-port.ts'
import { originalDestination } from './original-destination.ts'
import { dialDirectly, ToldClient } from './told-client.ts'

/** Longest beginning of a connection that is read for a name. */
const longestBeginning = 64 * 1024

/**
 * A loopback port for connections that a packet filter redirects: where they were meant to go is told by SNI (RFC 6066 §3) or by the
 * Host of the first request (RFC 9112 §3.2), and by the kernel's table of connections, where it may be read.
 */
export function listenTransparent(
  engine: EngineContext,
  scope: Scope,
  at: { readonly host: string; readonly port: number },
): { readonly port: number; readonly server: Server } {
  /** Ports that our own upstream connections go out from: one that comes back to us would do so for ever. */
  const dialledFrom = new Set<string>()
  return bindLoopback(socket => {
    socket.on('error', () => {
      // 'close' follows.
    })
    void serve(engine, scope, socket, dialledFrom)
  }, at)
}

async function serve(engine: EngineContext, scope: Scope, socket: Socket, dialledFrom: Set<string>): Promise<void> {
  const refuse = (why: string): void => {
    engine.note(undefined, scope, `refused a redirected connection of ${socket.remoteAddress}:${socket.remotePort}: ${why}`)
    socket.resetAndDestroy()
  }
  const meant = originalDestination(socket)
  const bytes = await beginning(socket)
  if (socket.destroyed) return
  if (bytes.length === 0) return void socket.destroy()
  if (dialledFrom.has(`${socket.remoteAddress}:${socket.remotePort}`))
    return refuse('it is one of our own; keep the connections of the process that Midwire runs in from being redirected')
  const named = namedBy(bytes)
  const address = await meant
  if (!named && !address) return refuse('it names no host by SNI or Host, and the kernel does not tell where it was meant to go')
  const destination = {
    host: named?.host ?? address?.host ?? '',
    port: address?.port ?? named?.port ?? 0,
  }
  if (socket.destroyed) return
  if ([destination, address ?? destination].some(to => engine.isOwn(to) || (to.port === socket.localPort && isThisMachine(to.host))))
    return refuse('it was meant for a port of Midwire itself')
  await takeIn(engine, new RedirectedClient(socket, destination, address, scope, dialledFrom))
}

function isThisMachine(host: string): boolean {
  return /^(?:localhost|127\..*|0\.0\.0\.0|::1?)$/i.test(host)
}

/** A client that does not know of us: it goes to the address that it had found, by the name that it asked for. */
class RedirectedClient extends ToldClient {
  readonly #address: Destination | undefined
  readonly #dialledFrom: Set<string>

  constructor(socket: Socket, destination: Destination, address: Destination | undefined, scope: Scope, dialledFrom: Set<string>) {
    super(socket, destination, scope)
    this.#address = address
    this.#dialledFrom = dialledFrom
  }

  override async dial(to?: TcpNetConnectOpts): Promise<Socket> {
    const socket = await dialDirectly(to ?? this.#address ?? this.destination)
    const from = `${socket.localAddress}:${socket.localPort}`
    this.#dialledFrom.add(from)
    socket.once('close', () => this.#dialledFrom.delete(from))
    return socket
  }
}

/** The first bytes of a client, until they name a host or cannot; they are put back. */
function beginning(socket: Socket): Promise<Buffer> {
  return new Promise(resolve => {
    let seen: Buffer = Buffer.alloc(0)
    const settle = (): void => {
      socket.off('readable', read).off('end', settle).off('close', settle)
      if (seen.length > 0 && !socket.destroyed) socket.unshift(seen)
      resolve(seen)
    }
    const read = (): void => {
      for (let chunk: Buffer | null; (chunk = socket.read() as Buffer | null);) seen = Buffer.concat([seen, chunk])
      if (seen.length > 0 && (seen.length > longestBeginning || isWhole(seen))) settle()
    }
    socket.on('readable', read).on('end', settle).on('close', settle)
  })
}

function isWhole(bytes: Buffer): boolean {
  const first = classify(bytes)
  return first !== undefined && (first.kind !== 'http' || bytes.includes('\r\n\r\n') || bytes.includes('\n\n'))
}

/** The host that the first bytes name, and the port that goes with it. */
function namedBy(bytes: Buffer): Destination | undefined {
  const hello = parseClientHello(bytes)
  if (hello.kind === 'hello') return hello.serverName === undefined ? undefined : { host: hello.serverName, port: 443 }
  if (classify(bytes)?.kind !== 'http') return undefined
  const head = bytes.toString('latin1').split(/\r?\n\r?\n/, 1)[0] ?? ''
  // Another form than origin form (RFC 9112 §3.2.1) was meant for a proxy, whose name is not the one in Host.
  if (!/^[^ ]+ (?:\/|\*)/.test(head)) return undefined
  const host = /\nhost:[ \t]*(?<host>[^\r\n]*?)[ \t]*(?=\r?\n|$)/i.exec(head)?.groups?.['host']
  const named = host === undefined ? undefined : splitAuthority(host, 80)
  return named && isHost(named) ? named : undefined
}

function isHost({ host, port }: Destination): boolean {
  return (isIP(host) !== 0 || /^[\w.-]+$/.test(host)) && port >= 1 && port <= 65535
}
