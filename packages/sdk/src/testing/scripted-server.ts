import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocket, WebSocketServer } from 'ws'

/** A real WebSocket and HTTP server on loopback: echoes messages, answers requests with their own path. */
export interface EchoServer extends AsyncDisposable {
  readonly url: string
  readonly sockets: ReadonlySet<WebSocket>
  /** Targets of the upgrade requests it got, in order. */
  readonly requests: readonly string[]
  /** Answers the next upgrade request with this status. */
  refuseNext(status: number): void
}

export async function startEchoServer(): Promise<EchoServer> {
  const http = createServer((request, response) => response.end(request.url))
  const refusals: number[] = []
  const server = new WebSocketServer({
    server: http,
    verifyClient(_info, answer) {
      const status = refusals.shift()
      answer(status === undefined, status)
    },
  })
  const requests: string[] = []
  server.on('connection', (socket, request) => {
    requests.push(request.url ?? '')
    socket.on('error', () => {})
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const { port } = http.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    sockets: server.clients,
    requests,
    refuseNext: status => void refusals.push(status),
    async [Symbol.asyncDispose]() {
      for (const socket of server.clients) socket.terminate()
      http.closeAllConnections()
      await new Promise<void>(resolve => http.close(() => resolve()))
    },
  }
}

/** A client that collects what it gets. */
export class TestClient {
  readonly socket: WebSocket
  readonly received: unknown[] = []
  readonly closed: Promise<{ code: number; reason: string }>
  readonly opened: Promise<void>

  constructor(url: string) {
    this.socket = new WebSocket(url)
    this.socket.on('error', () => {})
    this.socket.on('message', data => this.received.push(parse(String(data))))
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('open', resolve)
      this.socket.once('error', reject)
    })
    this.opened.catch(() => {})
    this.closed = new Promise(resolve => {
      this.socket.once('close', (code, reason) => resolve({ code, reason: String(reason) }))
    })
  }

  static async open(url: string): Promise<TestClient> {
    const client = new TestClient(url)
    await client.opened
    return client
  }

  send(value: unknown): void {
    this.socket.send(JSON.stringify(value))
  }

  /** Sends them in one segment, as far as it lies with the client. */
  sendTogether(values: readonly unknown[]): void {
    const stream: Duplex = Reflect.get(this.socket, '_socket')
    stream.cork()
    for (const value of values) this.send(value)
    stream.uncork()
  }

  /** Resolves once `count` messages have been received. */
  async gets(count: number): Promise<readonly unknown[]> {
    while (this.received.length < count) await once(this.socket, 'message')
    return this.received
  }
}

function parse(text: string): unknown {
  return text.startsWith('{') ? JSON.parse(text) : text
}
