import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'

/** A server that sends back what it gets, until it is told to close. */
export interface EchoServer extends AsyncDisposable {
  /** `ws://127.0.0.1:port/` */
  readonly url: string
  /** What it got, as text or bytes. */
  readonly got: (string | Buffer)[]
  readonly sockets: ReadonlySet<WebSocket>
}

export async function startEchoServer(): Promise<EchoServer> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  const got: (string | Buffer)[] = []
  server.on('connection', socket => {
    socket.on('error', () => {})
    socket.on('message', (data: Buffer, isBinary) => {
      got.push(isBinary ? data : String(data))
      if (String(data) === 'close me') socket.close(4001, 'as asked')
      else socket.send(data, { binary: isBinary })
    })
  })
  await once(server, 'listening')
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    got,
    sockets: server.clients,
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

/** A client under test. */
export class Chat {
  readonly socket: WebSocket
  readonly got: (string | Buffer)[] = []
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>

  constructor(url: string) {
    this.socket = new WebSocket(url)
    this.socket.on('error', () => {})
    this.socket.on('message', (data: Buffer, isBinary) => this.got.push(isBinary ? data : String(data)))
    this.closed = new Promise(resolve => this.socket.once('close', (code, reason) => resolve({ code, reason: String(reason) })))
  }

  static async open(url: string): Promise<Chat> {
    const chat = new Chat(url)
    await once(chat.socket, 'open')
    return chat
  }

  say(...messages: readonly (string | Buffer)[]): void {
    for (const message of messages) this.socket.send(message)
  }

  /** What it got, once that are `count` messages. */
  async gets(count: number): Promise<readonly (string | Buffer)[]> {
    while (this.got.length < count) await once(this.socket, 'message')
    return this.got
  }
}
