import type { Socket } from 'node:net'
import tls from 'node:tls'
import type { Scope } from '../../scope.ts'
import { Authority } from '../../tls/authority.ts'
import { parseClientHello } from '../../tls/client-hello.ts'
import type { Installation } from '../capture.ts'
import type { CaptureTarget, Inbound } from '../inbound.ts'
import { original } from '../original.ts'
import { install } from '../reroute.ts'

/** The least a target can do: dial, accept, take TLS off and put it on again, and pipe. It looks at heads of HTTP/1 requests. */
export class Relay implements CaptureTarget, AsyncDisposable {
  readonly authority: Authority = Authority.create()
  readonly inbounds: Inbound[] = []
  /** `METHOD path` of each request, and the name of the scope it was attributed to. */
  readonly exchanges: string[] = []
  readonly #sockets = new Set<Socket>()
  #installation: Installation | undefined

  static async start(): Promise<Relay> {
    const relay = new Relay()
    relay.#installation = await install({ authority: relay.authority, target: relay })
    return relay
  }

  owns(_scope: Scope): boolean {
    return true
  }

  /** Host names asked for, in order. */
  get hosts(): string[] {
    return this.inbounds.map(({ destination }) => destination.host)
  }

  open(inbound: Inbound): void {
    this.inbounds.push(inbound)
    this.#relay(inbound).catch((error: Error) => inbound.fail(error))
  }

  async uninstall(): Promise<void> {
    await this.#installation?.uninstall()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.uninstall()
    for (const socket of this.#sockets) socket.destroy()
  }

  async #relay(inbound: Inbound): Promise<void> {
    const upstream = this.#keep(await inbound.dial())
    const client = this.#keep(await inbound.accept(upstream))
    const first = await Promise.race([firstBytes(client), firstBytes(upstream).then(() => undefined)])
    if (!first || parseClientHello(first).kind !== 'hello') return this.#join(inbound, client, upstream)
    // An end that was read from the raw socket would not be seen by TLS over it.
    if (upstream.readableEnded) return void client.end()
    const obstacle = inbound.tlsObstacle()
    if (obstacle) throw obstacle
    const options = inbound.tlsOptions()
    if (!options) throw new Error('TLS options should be known once TLS has begun')
    const offered = [options.ALPNProtocols ?? []].flat().includes('http/1.1') ? ['http/1.1'] : []
    const secured = this.#keep(original(tls.connect)({ ...options, ALPNProtocols: offered, socket: upstream }))
    await event(secured, 'secureConnect')
    const secureContext = this.authority.secureContextFor(options.servername || inbound.destination.host)
    const ALPNProtocols = secured.alpnProtocol ? [secured.alpnProtocol] : []
    this.#join(inbound, this.#keep(new tls.TLSSocket(client, { isServer: true, secureContext, ALPNProtocols })), secured)
  }

  #join(inbound: Inbound, client: Socket, upstream: Socket): void {
    let k = 0
    client.on('data', (bytes: Buffer) => {
      for (const [, head] of bytes.toString('latin1').matchAll(/((?:GET|POST|CONNECT) \S+) HTTP\/1\.1\r\n/g)) {
        this.exchanges.push(`${head} by ${inbound.exchangeScope(k++)?.name ?? 'nobody'}`)
      }
    })
    // A server may refuse a client certificate after the client's handshake (RFC 8446 §4.4.2).
    upstream.on('error', (error: Error) => inbound.fail(error)).on('close', () => client.destroySoon())
    client.on('close', () => upstream.destroySoon())
    client.pipe(upstream).pipe(client)
    if (upstream.readableEnded) client.end()
  }

  #keep<S extends Socket>(socket: S): S {
    this.#sockets.add(socket)
    return socket.on('error', () => {}).on('close', () => this.#sockets.delete(socket))
  }
}

/** Waits for something to read without taking it. */
async function firstBytes(socket: Socket): Promise<Buffer> {
  await event(socket, 'readable')
  const bytes = socket.read() as Buffer | null
  if (bytes) socket.unshift(bytes)
  return bytes ?? Buffer.alloc(0)
}

function event(socket: Socket, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once(name, () => resolve()).once('error', reject)
    socket.once('close', () => reject(new Error(`closed before '${name}'`)))
  })
}
