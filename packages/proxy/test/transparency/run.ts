import type { Socket } from 'node:net'
import { createServer, type Server } from 'node:net'
import { once } from 'node:events'
import { other, type Side } from '../../src/side.ts'
import { type Answer, answerAt, headEnd, lines } from './heads.ts'
import { agreesOnDeflate, bytesOf, type Burst, type Item, type Plan, type Refusal } from './plan.ts'
import { reset } from '../reset.ts'
import { Witness } from './witness.ts'

/** What both ends saw of a session. */
export interface Observation {
  /** Heads of the requests that the server got. */
  readonly requests: readonly (readonly string[])[]
  readonly answers: readonly Omit<Answer, 'end'>[]
  /** What came after the handshake, and how it ended: `at` counts these bytes. */
  readonly saw: Readonly<
    Record<Side, { readonly bytes: Buffer; readonly marks: readonly { readonly at: number; readonly what: string }[] }>
  >
}

/** A server that does what plans say. */
export class Stage implements AsyncDisposable {
  readonly #server: Server
  readonly #accepted: Socket[] = []
  #wake: (() => void) | undefined

  private constructor(server: Server) {
    this.#server = server
    server.on('connection', socket => {
      this.#accepted.push(socket)
      this.#wake?.()
    })
  }

  static async open(): Promise<Stage> {
    const server = createServer({ allowHalfOpen: true, noDelay: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return new Stage(server)
  }

  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address ? address.port : 0
  }

  async accept(): Promise<Socket> {
    for (;;) {
      const socket = this.#accepted.shift()
      if (socket) return socket
      await new Promise<void>(resolve => (this.#wake = resolve))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close()
    await once(this.#server, 'close')
  }
}

/** Plays a plan between a client that `connect` connects and the stage's server; each step waits for what it causes. */
export async function play(plan: Plan, stage: Stage, connect: (port: number) => Promise<Socket>): Promise<Observation> {
  const [clientSocket, serverSocket] = await Promise.all([connect(stage.port), stage.accept()])
  const run = new Run(plan, { client: new Witness('client', clientSocket), server: new Witness('server', serverSocket) })
  try {
    return await run.play()
  } finally {
    clientSocket.destroy()
    serverSocket.destroy()
  }
}

class Run {
  readonly #plan: Plan
  readonly #peers: Readonly<Record<Side, Witness>>
  readonly #deflate: boolean
  readonly #requests: string[][] = []
  readonly #answers: Omit<Answer, 'end'>[] = []
  /** Bytes that each side must have by now. */
  readonly #due = { client: 0, server: 0 }
  /** Where the handshake ends in what each side gets. */
  readonly #start = { client: 0, server: 0 }

  constructor(plan: Plan, peers: Readonly<Record<Side, Witness>>) {
    this.#plan = plan
    this.#peers = peers
    this.#deflate = agreesOnDeflate(plan)
  }

  async play(): Promise<Observation> {
    const { refusals, steps, early } = this.#plan
    for (const refusal of refusals) {
      if (!(await this.#refuse(refusal))) return this.#observation()
    }
    await this.#ask(early.client)
    await this.#switch()
    await this.#arrival('server')
    for (const step of steps) {
      await Promise.all([this.#send('client', step.client), this.#send('server', step.server)])
      await Promise.all([this.#arrival('client'), this.#arrival('server')])
    }
    await this.#end()
    return this.#observation()
  }

  /** The client asks; with `early`, it does not wait for the answer. */
  async #ask(early: readonly Item[]): Promise<void> {
    const { target, headers, protocols, offer, headCuts } = this.#plan
    const head = headBytes(`GET ${target} HTTP/1.1`, [
      ['Host', 'example.com'],
      ['connection', 'keep-alive, Upgrade'],
      ['Upgrade', 'WebSocket'],
      ...headers,
      ['Sec-WebSocket-Version', '13'],
      ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
      ...(protocols.length > 0 ? [['sec-websocket-protocol', protocols.join(', ')] as const] : []),
      ...(offer === undefined ? [] : [['Sec-WebSocket-Extensions', offer] as const]),
    ])
    const { client, server } = this.#peers
    const from = this.#start.server
    const bytes = bytesOf(early, 'client', this.#deflate)
    await client.write(Buffer.concat([head, bytes]), headCuts)
    await server.until('a request', () => headEnd(server.received, from) !== undefined)
    const end = headEnd(server.received, from)!
    this.#requests.push(lines(server.received, from, end))
    this.#start.server = end
    this.#due.server = end + bytes.length
  }

  /** True if the client may ask again. */
  async #refuse({ status, reason, headers, body, framing }: Refusal): Promise<boolean> {
    await this.#ask([])
    const { client, server } = this.#peers
    const empty = status === 204 || status === 304
    const frame = {
      length: ['Content-Length', String(body.length)],
      chunked: ['Transfer-Encoding', 'chunked'],
      close: ['Connection', 'close'],
    } as const
    const head = headBytes(`HTTP/1.1 ${status} ${reason}`, empty ? headers : [...headers, frame[framing]])
    const parts = framing === 'chunked' ? (body === '' ? '0\r\n\r\n' : `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`) : body
    const from = this.#start.client
    await server.write(Buffer.concat([head, Buffer.from(empty ? '' : parts)]), [])
    const last = framing === 'close' && !empty
    if (last) server.socket.end()
    await client.until('an answer', () => answerAt(client.received, from, client.ended) !== undefined)
    const { end, ...answer } = answerAt(client.received, from, client.ended)!
    this.#answers.push(answer)
    this.#start.client = this.#due.client = end
    if (!last) return true
    await client.until('a FIN', () => client.ended)
    client.socket.end()
    await server.until('a FIN', () => server.ended)
    return false
  }

  async #switch(): Promise<void> {
    const { reason, answerHeaders, protocols, early } = this.#plan
    const { client, server } = this.#peers
    const head = headBytes(`HTTP/1.1 101 ${reason}`, [
      ['upgrade', 'websocket'],
      ['Connection', 'Upgrade'],
      ...answerHeaders,
      ['Sec-WebSocket-Accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='],
      ...(protocols[0] === undefined ? [] : [['Sec-WebSocket-Protocol', protocols[0]] as const]),
      ...(this.#deflate
        ? [['Sec-WebSocket-Extensions', 'permessage-deflate; server_no_context_takeover; client_no_context_takeover'] as const]
        : []),
    ])
    const from = this.#start.client
    const bytes = bytesOf(early.server, 'server', this.#deflate)
    await server.write(Buffer.concat([head, bytes]), [])
    await client.until('a 101', () => answerAt(client.received, from, client.ended) !== undefined)
    const { end, ...answer } = answerAt(client.received, from, client.ended)!
    this.#answers.push(answer)
    this.#start.client = end
    this.#due.client = end + bytes.length
    await this.#arrival('client')
  }

  async #send(from: Side, { items, cuts }: Burst): Promise<void> {
    const bytes = bytesOf(items, from, this.#deflate)
    this.#due[other(from)] += bytes.length
    await this.#peers[from].write(bytes, cuts)
  }

  /** Waits until all that was sent to this side is there. */
  async #arrival(to: Side): Promise<void> {
    const due = this.#due[to]
    await this.#peers[to].until(`${due} bytes`, () => this.#peers[to].length >= due)
  }

  async #end(): Promise<void> {
    const { first, after, second } = this.#plan
    const [left, right] = [this.#peers[first.by], this.#peers[other(first.by)]]
    if (first.how === 'rst') {
      reset(left.socket)
      return right.until('an RST', () => right.ended)
    }
    if (first.cutOff) {
      const bytes = bytesOf([first.cutOff.item], first.by, this.#deflate)
      await left.write(bytes.subarray(0, first.cutOff.after % (bytes.length + 1)), [])
    }
    left.socket.end()
    await right.until('a FIN', () => right.ended)
    for (const burst of after) {
      await this.#send(other(first.by), burst)
      await this.#arrival(first.by)
    }
    if (second === 'fin') right.socket.end()
    else reset(right.socket)
    await left.until(`the second end, ${second}`, () => left.ended)
  }

  #observation(): Observation {
    const of = (side: Side) => {
      const { received, marks } = this.#peers[side]
      const start = this.#start[side]
      return { bytes: received.subarray(start), marks: marks.map(({ at, what }) => ({ at: at - start, what })) }
    }
    return { requests: this.#requests, answers: this.#answers, saw: { client: of('client'), server: of('server') } }
  }
}

function headBytes(first: string, headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.from([first, ...headers.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n'), 'latin1')
}
