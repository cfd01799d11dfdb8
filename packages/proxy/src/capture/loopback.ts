import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'

/** Who is waiting for the engine's end of its loopback connection. */
type Owner = (end: Socket) => void

/**
 * The one loopback listener of a realm. Captured sockets connect to it; whatever else does is destroyed. The two ends of a connection
 * are matched by the port of the client's end, which is known before the connection is accepted.
 */
export class Loopback {
  readonly #server: Server
  readonly #owners = new Map<number, Owner>()
  readonly port: number

  private constructor(server: Server, port: number) {
    this.#server = server
    this.port = port
    server.on('connection', (end) => {
      const owner = this.#owners.get(end.remotePort ?? -1)
      if (!owner || end.remoteAddress !== '127.0.0.1') {
        end.on('error', () => {})
        end.destroy()
        return
      }
      this.#owners.delete(end.remotePort ?? -1)
      owner(end)
    })
  }

  static async listen(): Promise<Loopback> {
    // Half-open, so that a FIN of the client is the engine's to pass on, and data may still flow back.
    const server = createServer({ allowHalfOpen: true, noDelay: true })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject)
    server.listen({ host: '127.0.0.1', port: 0, backlog: 4096 }, resolve)
    server.unref()
    await promise
    server.off('error', reject)
    const address = server.address()
    return new Loopback(server, typeof address === 'object' && address ? address.port : 0)
  }

  /** Hands the connection that comes from `clientPort` to `owner`; returns how to give up waiting. */
  expect(clientPort: number, owner: Owner): () => void {
    this.#owners.set(clientPort, owner)
    return () => {
      if (this.#owners.get(clientPort) === owner) this.#owners.delete(clientPort)
    }
  }

  /** Resolves once the port is free to new connections; those that are open live on. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close()
      // 'close' would wait for the connections too; the port is released at once.
      setImmediate(resolve)
    })
  }
}
