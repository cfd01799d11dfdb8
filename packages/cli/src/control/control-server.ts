import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, STATUS_CODES } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { RawData } from 'ws'
import { admit } from './admission.ts'
import { ControlDesk } from './control-desk.ts'
import type { DeskOptions } from './control-desk.ts'
import { ControlLink } from './control-link.ts'

export interface ControlServerOptions extends DeskOptions {
  /** Of the control connection, on 127.0.0.1. @default of the system's choice */
  readonly port?: number
  /** What clients must know. @default a random one */
  readonly token?: string
}

/** A control server that runs until it is disposed. */
export interface ControlServer extends AsyncDisposable {
  /** `ws://127.0.0.1:port/` */
  readonly url: string
  readonly token: string
  /** For processes that sessions take over with mode `local`. */
  readonly env: Readonly<Record<string, string>>
  /** Of the authority that signs for intercepted hosts, in PEM. */
  readonly certificate: string
  /** Ends all sessions and connections, and waits until the ports are free. */
  close(): Promise<void>
}

/** Starts a proxy that is controlled by JSON-RPC 2.0 over WebSocket. @throws Error if the port cannot be bound */
export async function startControlServer({ port = 0, token = newToken(), ...options }: ControlServerOptions = {}): Promise<ControlServer> {
  const http = createServer((_request, response) => {
    response.writeHead(426, { connection: 'close', upgrade: 'websocket', 'content-type': 'text/plain' })
    response.end('This is the control server of Midwire: it speaks JSON-RPC 2.0 over WebSocket.\n')
  })
  http.listen(port, '127.0.0.1')
  await once(http, 'listening')
  const { port: bound } = http.address() as AddressInfo
  // A suite whose own process is taken over goes on speaking with us, and not through itself.
  const bypass = [`127.0.0.1:${bound}`, ...[options.bypass ?? []].flat().flatMap(hosts => hosts.split(','))]
  const desk = await ControlDesk.start({ ...options, bypass })
  const sockets = new WebSocketServer({ noServer: true })
  let sessions = 0

  http.on('upgrade', (request, socket, head) => {
    const refusal = admit(request, token)
    if (!refusal) return sockets.handleUpgrade(request, socket, head, client => sockets.emit('connection', client, request))
    const { status, text } = refusal
    const challenge = status === 401 ? 'WWW-Authenticate: Bearer realm="Midwire"\r\n' : ''
    socket.on('error', () => {})
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${challenge}Content-Type: text/plain\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
    )
  })
  sockets.on('connection', client => {
    const link = new ControlLink(
      desk,
      text => client.send(text),
      () => `session ${++sessions}`,
    )
    client.on('error', () => {})
    client.on('message', data => void link.receive(textOf(data)))
    client.on('close', () => link.end())
  })

  let closing: Promise<void> | undefined
  const close = async (): Promise<void> => {
    for (const client of sockets.clients) client.close(1001)
    const freed = new Promise<void>(resolve => http.close(() => resolve()))
    await desk[Symbol.asyncDispose]()
    for (const client of sockets.clients) client.terminate()
    http.closeAllConnections()
    await freed
  }
  return {
    url: `ws://127.0.0.1:${bound}/`,
    token,
    env: desk.env(),
    certificate: desk.engine.certificate,
    close: () => (closing ??= close()),
    [Symbol.asyncDispose]: () => (closing ??= close()),
  }
}

function newToken(): string {
  return randomBytes(24).toString('base64url')
}

function textOf(data: RawData): string {
  if (Array.isArray(data)) return Buffer.concat(data).toString('utf8')
  return Buffer.from(data instanceof ArrayBuffer ? new Uint8Array(data) : data).toString('utf8')
}
