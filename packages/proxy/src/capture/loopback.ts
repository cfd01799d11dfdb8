import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { laterTurn } from '../io/clock.ts'

/** Where captured sockets connect to. */
export interface Landing {
  readonly port: number
  /** Hands the connection that `client` is making to `owner`; returns how to give up waiting. */
  expect(client: Socket, owner: Owner): () => void
  close(): Promise<void>
}

/** Takes the engine's end of a captured socket's connection. */
type Owner = (end: Socket) => void

/**
 * The one loopback listener of a thread. Captured sockets connect to it; whatever else does is destroyed. The two ends of a connection
 * are matched by the address of the client's end, which is known before the connection can be accepted.
 */
export class Loopback implements Landing {
  readonly #server: Server
  readonly #owners = new Map<string, Owner>()
  readonly port: number

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
    server.on('connection', end => this.#connected(end))
  }

  static async listen(): Promise<Loopback> {
    // Half-open: a FIN of the client is the engine's to pass on, and data may still flow back.
    const server = createServer({ allowHalfOpen: true, noDelay: true })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, resolve)
    server.unref()
    await promise
    server.off('error', reject)
    // Running out of descriptors is the client's failure to connect, not the listener's end.
    server.on('error', () => {})
    const address = server.address()
    return new Loopback(server, typeof address === 'object' && address ? address.port : 0)
  }

  expect(client: Socket, owner: Owner): () => void {
    const from = `${client.localAddress}:${client.localPort}`
    this.#owners.set(from, owner)
    return () => {
      if (this.#owners.get(from) === owner) this.#owners.delete(from)
    }
  }

  /** No further connection is accepted; those that are open live on. */
  close(): Promise<void> {
    this.#server.close()
    // Its callback would wait for the connections too; the port is released in this turn.
    return laterTurn()
  }

  #connected(end: Socket): void {
    const from = `${end.remoteAddress}:${end.remotePort}`
    const owner = this.#owners.get(from)
    if (owner) {
      this.#owners.delete(from)
      owner(end)
      return
    }
    end.on('error', () => {})
    end.destroy()
  }
}
