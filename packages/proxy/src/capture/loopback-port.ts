import { createServer, type Server, type Socket } from 'node:net'

interface BindsAtOnce {
  /** Node's own name for the synchronous half of `listen()`; `listen()` itself looks the address up first, even a literal one. */
  _listen2(address: string, port: number, family: 4, backlog: number, fd: undefined, flags: number): void
}

/** A listener on 127.0.0.1 and a port of the system's choice, which is bound when this returns: URLs can be handed out at once. */
export function bindLoopback(onSocket: (socket: Socket) => void): { readonly port: number; readonly server: Server } {
  const server = createServer({ allowHalfOpen: true, noDelay: true }, onSocket)
  ;(server as Server & BindsAtOnce)._listen2('127.0.0.1', 0, 4, 511, undefined, 0)
  server.unref()
  const address = server.address()
  if (typeof address !== 'object' || !address) throw new Error('cannot listen on 127.0.0.1')
  return { port: address.port, server }
}
