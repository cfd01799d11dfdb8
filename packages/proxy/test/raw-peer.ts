import { connect, createServer, type Server, type Socket } from 'node:net'
import { once } from 'node:events'

/** A TCP end that a test reads and writes byte by byte, and that remembers how the other end ended. */
export class RawPeer {
  readonly socket: Socket
  #received = Buffer.alloc(0)
  #ended: 'fin' | 'rst' | 'closed' | undefined
  readonly #waiting = new Set<() => void>()

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('data', chunk => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    socket.on('end', () => this.#end('fin'))
    socket.on('error', (error: NodeJS.ErrnoException) =>
      this.#end(error.code === 'ECONNRESET' || error.code === 'EPIPE' ? 'rst' : 'closed'),
    )
    socket.on('close', () => this.#end('closed'))
  }

  /** Everything received and not yet taken. */
  get received(): Buffer {
    return this.#received
  }

  get text(): string {
    return this.#received.toString('latin1')
  }

  /** Resolves once what was received matches, and returns it. */
  async until(found: (received: Buffer) => boolean): Promise<Buffer> {
    while (!found(this.#received)) {
      if (this.#ended) throw new Error(`ended (${this.#ended}) after ${JSON.stringify(this.text)}`)
      await this.#change()
    }
    return this.#received
  }

  untilText(text: string): Promise<string> {
    return this.until(received => received.includes(Buffer.from(text, 'latin1'))).then(received => received.toString('latin1'))
  }

  /** Takes `length` bytes once they have come. */
  async take(length: number): Promise<Buffer> {
    await this.until(received => received.length >= length)
    const taken = this.#received.subarray(0, length)
    this.#received = this.#received.subarray(length)
    return taken
  }

  /** Takes up to and with `text`. */
  async takeThrough(text: string): Promise<string> {
    await this.untilText(text)
    return (await this.take(this.#received.indexOf(text) + text.length)).toString('latin1')
  }

  /** How the other end ended: FIN, RST, or closed without either being seen. */
  async ended(): Promise<'fin' | 'rst' | 'closed'> {
    while (!this.#ended) await this.#change()
    return this.#ended
  }

  #end(how: 'fin' | 'rst' | 'closed'): void {
    this.#ended ??= how
    this.#wake()
  }

  #change(): Promise<void> {
    return new Promise(resolve => this.#waiting.add(resolve))
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }
}

export interface RawServer extends AsyncDisposable {
  readonly port: number
  readonly server: Server
  /** The k-th connection, from 0, as soon as it is there. */
  accepted(k?: number): Promise<RawPeer>
  readonly peers: readonly RawPeer[]
}

/** Listens on a loopback port of the system's choice and answers nothing by itself. */
export async function rawServer(onPeer: (peer: RawPeer) => void = () => {}, host = '127.0.0.1'): Promise<RawServer> {
  const peers: RawPeer[] = []
  const waiting = new Set<() => void>()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    const peer = new RawPeer(socket)
    peers.push(peer)
    onPeer(peer)
    for (const wake of waiting) wake()
  })
  server.listen(0, host)
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    server,
    peers,
    async accepted(k = 0) {
      for (;;) {
        const peer = peers[k]
        if (peer) return peer
        await new Promise<void>(resolve => waiting.add(resolve))
      }
    },
    async [Symbol.asyncDispose]() {
      for (const { socket } of peers) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** Connects to a port on 127.0.0.1, half-open. */
export async function rawClient(port: number, host = '127.0.0.1'): Promise<RawPeer> {
  const socket = connect({ port, host, allowHalfOpen: true, noDelay: true })
  const peer = new RawPeer(socket)
  await once(socket, 'connect')
  return peer
}
