import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { createServer as createNetServer } from 'node:net'
import type { AddressInfo, LookupFunction, Server, Socket } from 'node:net'
import type { TLSSocket, TlsOptions } from 'node:tls'
import { WebSocketServer } from 'ws'
import { Authority, type KeyPair } from '../../tls/authority.ts'
import { makeLeafCertificate } from '../../tls/certificate.ts'

/** The authority that signs the certificates of test servers; clients are told to trust it. */
export const realAuthority: Authority = Authority.create()

/** What a client shows to a server that has its certificate among its `ca`. */
export function clientIdentity(name: string): KeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { key, cert: makeLeafCertificate(name, publicKey, privateKey, { usage: 'clientAuth' }) }
}

/** A server on a free port, with all its connections under control. */
export class TestServer implements AsyncDisposable {
  readonly sockets = new Set<Socket>()
  readonly server: Server

  private constructor(server: Server) {
    this.server = server
    server.on('connection', (socket: Socket) => {
      this.sockets.add(socket)
      socket.on('error', () => {}).on('close', () => this.sockets.delete(socket))
    })
  }

  static async listen(server: Server, host = '127.0.0.1'): Promise<TestServer> {
    const listening = new TestServer(server)
    server.listen(0, host)
    await once(server, 'listening')
    return listening
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy()
    if (!this.server.listening) return
    this.server.close()
    await once(this.server, 'close')
  }
}

/** Answers `path from peer` to each request, and echoes WebSocket messages. */
export function httpServer(host?: string): Promise<TestServer> {
  const server = createHttpServer((request, response) => response.end(`answer to ${request.url}`))
  echoWebSockets(server)
  return TestServer.listen(server, host)
}

/** The same with TLS, and a certificate for `names`; it says whose client certificate it has seen, if one. */
export function httpsServer(name: string, options: TlsOptions = {}, host?: string): Promise<TestServer> {
  const server = createHttpsServer({ ...realAuthority.leaf(name), ...options }, (request, response) => {
    const { subject } = (request.socket as TLSSocket).getPeerCertificate()
    response.end(`answer to ${request.url}${subject?.CN ? ` for ${String(subject.CN)}` : ''}`)
  })
  echoWebSockets(server)
  return TestServer.listen(server, host)
}

/** Greets as soon as somebody connects, and echoes what it is sent. */
export function greetingServer(): Promise<TestServer> {
  return TestServer.listen(
    createNetServer({ allowHalfOpen: true }, socket => {
      socket.write('220 hello\r\n')
      socket.pipe(socket)
    }),
  )
}

/** A port of this host on which nobody listens. */
export async function deadPort(): Promise<number> {
  const server = await TestServer.listen(createNetServer())
  const { port } = server
  await server[Symbol.asyncDispose]()
  return port
}

/** A lookup that knows these addresses for every name, and asks nobody. */
export function lookupOf(...addresses: string[]): LookupFunction {
  const all = addresses.map(address => ({ address, family: address.includes(':') ? 6 : 4 }))
  return ((_host: string, options: { all?: boolean }, answer: (error: null, ...found: unknown[]) => void) => {
    const [first] = all
    process.nextTick(() => (options.all ? answer(null, all) : answer(null, first?.address, first?.family)))
  }) as LookupFunction
}

function echoWebSockets(server: ReturnType<typeof createHttpServer> | ReturnType<typeof createHttpsServer>): void {
  new WebSocketServer({ server }).on('connection', socket => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
}
