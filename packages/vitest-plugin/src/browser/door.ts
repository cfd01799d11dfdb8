import { connect } from 'node:net'
import type { Server, Socket } from 'node:net'
import { bindLoopback } from '@midwire/proxy'
import { bridgeHost } from './wire-value.ts'

const toBridge = new RegExp(String.raw`^[A-Z]+ http://${bridgeHost.replace('.', String.raw`\.`)}[:/]`)

export interface DoorOptions {
  /** Takes the connections by which the page speaks with its proxy. */
  readonly onBridge: (socket: Socket) => void
  /** Port of the HTTP proxy that serves all others now. */
  readonly lead: () => number
}

/** The HTTP proxy that a browser context is made with: it stays, while the proxies behind it come and go with the tests. */
export class Door {
  readonly url: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #options: DoorOptions

  constructor(options: DoorOptions) {
    this.#options = options
    const { port, server } = bindLoopback(socket => this.#take(socket))
    this.url = `http://127.0.0.1:${port}`
    this.#server = server
  }

  /** Ends what goes on, so that the browser connects anew. */
  endAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async close(): Promise<void> {
    this.endAll()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #take(socket: Socket): void {
    socket.on('error', () => {})
    // One that was opened in advance, and is not needed.
    const onEnd = (): void => void socket.destroy()
    socket.once('end', onEnd)
    socket.once('readable', () => {
      const first = socket.read() as Buffer | null
      if (!first) return
      socket.off('end', onEnd)
      socket.unshift(first)
      // Requests of a browser come in one piece up to the end of their first line.
      if (toBridge.test(first.toString('latin1', 0, 100))) return this.#options.onBridge(socket)
      this.#pass(socket)
    })
  }

  #pass(socket: Socket): void {
    const proxy = connect({ host: '127.0.0.1', port: this.#options.lead(), allowHalfOpen: true, noDelay: true })
    this.#sockets.add(socket)
    for (const [from, to] of [
      [socket, proxy],
      [proxy, socket],
    ] as const) {
      from.pipe(to)
      from.on('error', error => ('code' in error && error.code === 'ECONNRESET' ? to.resetAndDestroy() : to.destroy()))
      from.once('close', () => {
        this.#sockets.delete(socket)
        to.destroySoon()
      })
    }
  }
}
