import { createServer, isIP, isIPv6, type Server, type Socket } from 'node:net'
import { MidwireError } from '../errors.ts'

interface BindsAtOnce {
  /** Node's own name for the synchronous half of `listen()`; `listen()` itself looks the address up first, even a literal one. */
  _listen2(address: string, port: number, family: 4 | 6, backlog: number, fd: undefined, flags: number): void
}

/** Where a listener binds. */
export interface Bind {
  /** IP address. @default '127.0.0.1' */
  readonly host?: string
  /** @default of the system's choice */
  readonly port?: number
}

/** What is wrong with a place to bind; `undefined` if nothing is. */
export function listenFault(listen: unknown): string | undefined {
  if (typeof listen !== 'object' || listen === null) return `expected { host, port }, got ${String(listen)}`
  const { host = '127.0.0.1', port = 0, ...others } = listen as Record<string, unknown>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) return `unknown key "${unknown}"; expected { host, port }`
  if (typeof host !== 'string' || isIP(host) === 0) return `host ${JSON.stringify(host)} is no IP address`
  const isPort = typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65535
  return isPort ? undefined : `${String(port)} is no port; expected a number up to 65535, or 0 for one of the system's choice`
}

/**
 * A listener that is bound when this returns: URLs can be handed out at once.
 * @throws MidwireError MIDWIRE_BAD_USE if the port cannot be bound
 */
export function bindLoopback(
  onSocket: (socket: Socket) => void,
  { host = '127.0.0.1', port = 0 }: Bind = {},
): { readonly port: number; readonly server: Server } {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onSocket)
  // Why it could not be bound is told in a later turn, when nobody listens any more.
  server.on('error', () => {})
  ;(server as Server & BindsAtOnce)._listen2(host, port, isIPv6(host) ? 6 : 4, 511, undefined, 0)
  server.unref()
  const address = server.address()
  if (typeof address !== 'object' || !address) {
    const why =
      port === 0 ? 'the address is not of this machine' : 'the port is in use, or not permitted, or the address is not of this machine'
    throw new MidwireError('MIDWIRE_BAD_USE', `cannot listen on ${host}:${port}: ${why}`)
  }
  return { port: address.port, server }
}
