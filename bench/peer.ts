import { once } from 'node:events'
import { connect, type LookupFunction, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { pour } from './server.ts'
import { blockOf, clientFrame, payloadOf, serverFrame } from './wire.ts'

export interface PeerOptions {
  /** CA certificate to trust, PEM; without one, every certificate is. */
  readonly ca?: string
  /** Asks for this host name, at the address of the URL. */
  readonly host?: string
}

/** A WebSocket client that writes frames built in advance and counts the bytes that come back: it costs next to nothing. */
export class Peer {
  readonly #socket: Socket
  #expected = Infinity
  #seen = 0
  #done: () => void = () => {}
  #failed: (error: Error) => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', bytes => this.#count(bytes.length))
    socket.on('error', error => this.#failed(error))
    socket.on('close', () => this.#failed(new Error('the connection has ended')))
  }

  /** Resolves when the 101 has arrived. */
  static async open(url: string, options: PeerOptions = {}): Promise<Peer> {
    const { hostname, port, pathname, search } = new URL(url)
    const host = options.host ?? hostname
    const socket = await openSocket(url, options)
    socket.write(
      `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    )
    let head = ''
    while (!head.includes('\r\n\r\n')) head += (await once(socket, 'data'))[0].toString('latin1')
    if (!head.startsWith('HTTP/1.1 101')) throw new Error(`no 101 from ${url}, but: ${head.slice(0, 200)}`)
    return new Peer(socket)
  }

  /** Sends a message of `size` bytes and waits for its echo, `times` in a row. */
  echo(size: number, times: number): Promise<void> {
    const frame = clientFrame(payloadOf(size))
    let left = times
    const next = (): void => {
      if (left-- === 0) return this.#done()
      this.#socket.write(frame)
    }
    const done = this.#expect(serverFrame(payloadOf(size)).length, next)
    next()
    return done
  }

  /** Sends `frames` messages and waits for the server's word that all have arrived. */
  async sink(size: number, frames: number): Promise<void> {
    const frame = clientFrame(payloadOf(size))
    const done = this.#expect(serverFrame(payloadOf(64)).length)
    await pour(this.#socket, blockOf(frame), frame, frames)
    await done
  }

  /** Asks for `frames` messages and waits until all have arrived. */
  source(size: number, frames: number): Promise<void> {
    const done = this.#expect(serverFrame(payloadOf(size)).length * frames)
    this.#socket.write(clientFrame(payloadOf(64)))
    return done
  }

  async close(): Promise<void> {
    this.#failed = () => {}
    if (this.#socket.closed) return
    const closed = once(this.#socket, 'close')
    this.#socket.end()
    await closed
  }

  /** Counts `bytes`, then calls `next`, over and over; resolves when `next` calls `#done`, or after `bytes` without a `next`. */
  #expect(bytes: number, next?: () => void): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#expected = bytes
    this.#seen = 0
    this.#done = resolve
    this.#failed = reject
    this.#next = next ?? resolve
    return promise
  }

  #next: () => void = () => {}

  #count(bytes: number): void {
    this.#seen += bytes
    if (this.#seen < this.#expected) return
    this.#seen -= this.#expected
    this.#next()
  }
}

/** A connection to where `url` points, ready for the first byte of HTTP. */
export async function openSocket(url: string, options: PeerOptions): Promise<Socket> {
  const { protocol, hostname, port } = new URL(url)
  const host = options.host ?? hostname
  const target = { host, port: Number(port), lookup: toLoopback, noDelay: true }
  const trust = options.ca ? { ca: options.ca } : { rejectUnauthorized: false }
  const socket = protocol === 'wss:' ? connectTls({ ...target, ...trust, servername: host }) : connect(target)
  await once(socket, protocol === 'wss:' ? 'secureConnect' : 'connect')
  return socket
}

const atOnce = 50

/** Opens `count` connections, 50 at a time. */
export async function openPeers(url: string, count: number): Promise<Peer[]> {
  const peers: Peer[] = []
  while (peers.length < count) {
    peers.push(...(await Promise.all(Array.from({ length: Math.min(atOnce, count - peers.length) }, () => Peer.open(url)))))
  }
  return peers
}

const toLoopback: LookupFunction = (_host, options, found) =>
  options.all ? found(null, [{ address: '127.0.0.1', family: 4 }]) : found(null, '127.0.0.1', 4)
