import { once } from 'node:events'
import type { Socket } from 'node:net'
import { openSocket, type PeerOptions } from './peer.ts'
import { pour } from './server.ts'

/** An HTTP client that writes requests built in advance and counts the bytes of responses: it costs next to nothing. */
export class HttpPeer {
  readonly #socket: Socket
  readonly #host: string

  private constructor(socket: Socket, host: string) {
    this.#socket = socket
    this.#host = host
  }

  static async open(url: string, options: PeerOptions = {}): Promise<HttpPeer> {
    return new HttpPeer(await openSocket(url, options), new URL(url).host)
  }

  /** One request after the other, each once the response to the one before has come. */
  async requests(times: number): Promise<void> {
    const request = Buffer.from(this.#head('GET', '/json'))
    const expected = await this.#responseTo(request)
    let left = times
    let seen = 0
    await this.#until(
      done => bytes => {
        seen += bytes.length
        if (seen < expected) return
        seen -= expected
        if (--left === 0) done()
        else this.#socket.write(request)
      },
      request,
    )
  }

  async download(size: number): Promise<void> {
    await this.#responseTo(Buffer.from(this.#head('GET', `/download?size=${size}`)))
  }

  async upload(size: number): Promise<void> {
    const block = Buffer.alloc(65_536, 'x')
    const answered = this.#responseTo(Buffer.from(this.#head('POST', '/upload', `Content-Length: ${size}\r\n`)))
    await pour(this.#socket, block, block, size / block.length)
    await answered
  }

  /** ms until the first byte of a chunked response has come; its end is awaited, and not counted. */
  async firstByte(): Promise<number> {
    const started = performance.now()
    let first = 0
    let text = ''
    await this.#until(
      done => bytes => {
        first ||= performance.now() - started
        text += bytes.toString('latin1')
        if (text.endsWith('0\r\n\r\n')) done()
      },
      this.#head('GET', '/first'),
    )
    return first
  }

  async close(): Promise<void> {
    if (this.#socket.closed) return
    const closed = once(this.#socket, 'close')
    this.#socket.end()
    await closed
  }

  #head(method: string, target: string, more = ''): string {
    return `${method} ${target} HTTP/1.1\r\nHost: ${this.#host}\r\nAccept: application/json\r\nUser-Agent: bench\r\n${more}\r\n`
  }

  /** Bytes of the whole response, its head included, once all have come. */
  async #responseTo(request: Buffer): Promise<number> {
    let head = ''
    let seen = 0
    let expected = Infinity
    await this.#until(
      done => bytes => {
        seen += bytes.length
        if (expected === Infinity) {
          head += bytes.toString('latin1')
          const end = head.indexOf('\r\n\r\n')
          if (end < 0) return
          if (!head.startsWith('HTTP/1.1 200')) throw new Error(`expected 200, got: ${head.slice(0, 200)}`)
          expected = end + 4 + Number(/content-length: (\d+)/i.exec(head)?.[1])
        }
        if (seen >= expected) done()
      },
      request,
    )
    return expected
  }

  async #until(take: (done: () => void) => (bytes: Buffer) => void, request: Buffer | string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const listener = take(resolve)
    const onData = (bytes: Buffer): void => {
      try {
        listener(bytes)
      } catch (error) {
        reject(error)
      }
    }
    const ended = (): void => reject(new Error('the connection has ended'))
    this.#socket.on('data', onData).on('close', ended)
    this.#socket.write(request)
    try {
      await promise
    } finally {
      this.#socket.off('data', onData).off('close', ended)
    }
  }
}
