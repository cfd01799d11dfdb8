import type { Socket } from 'node:net'
import { reset } from '../reset.ts'
import { type HttpMessage, messageAt } from './http-message.ts'
import { type ExchangePlan, framed, framingHeader, headerText, type HttpPlan, isBodiless } from './http-plan.ts'
import type { Stage } from './run.ts'
import { Witness } from './witness.ts'

/** What one end saw: the messages in order, informational ones included, and how it ended after how many of them. */
interface Seen {
  readonly messages: readonly Omit<HttpMessage, 'end'>[]
  readonly ends: readonly string[]
}

export interface HttpObservation {
  readonly client: Seen
  readonly server: Seen
}

/** Plays a plan between a client that `connect` connects and the stage's server; each step waits for what it causes. */
export async function playHttp(plan: HttpPlan, stage: Stage, connect: (port: number) => Promise<Socket>): Promise<HttpObservation> {
  const [clientSocket, serverSocket] = await Promise.all([connect(stage.port), stage.accept()])
  const run = new HttpRun(plan, new Witness('client', clientSocket), new Witness('server', serverSocket))
  try {
    return await run.play()
  } finally {
    clientSocket.destroy()
    serverSocket.destroy()
  }
}

/** Reads the messages of one direction as they come. */
class Reader {
  readonly messages: Omit<HttpMessage, 'end'>[] = []
  readonly #witness: Witness
  readonly #methodOf: (k: number) => string | undefined
  #at = 0
  #finals = 0

  /** `methodOf(k)` is the method that the k-th final response answers; `undefined` for requests. */
  constructor(witness: Witness, methodOf: (k: number) => string | undefined) {
    this.#witness = witness
    this.#methodOf = methodOf
  }

  /** The message under way, if its head has come. */
  get current(): HttpMessage | undefined {
    return messageAt(this.#witness.received, this.#at, this.#methodOf(this.#finals), this.#witness.ended)
  }

  async whole(what: string): Promise<void> {
    await this.#witness.until(what, () => this.current?.whole === true)
    this.#take(this.current!)
  }

  /** What has come of a message that was cut off. */
  rest(): void {
    const { current } = this
    if (current) this.#take(current)
  }

  #take({ end, ...message }: HttpMessage): void {
    this.messages.push({ ...message, body: Buffer.from(message.body) })
    this.#at = end
    if (!/^HTTP\/1\.. 1/.test(message.head[0] ?? '')) this.#finals++
  }
}

class HttpRun {
  readonly #plan: HttpPlan
  readonly #client: Witness
  readonly #server: Witness
  readonly #requests: Reader
  readonly #responses: Reader

  constructor(plan: HttpPlan, client: Witness, server: Witness) {
    this.#plan = plan
    this.#client = client
    this.#server = server
    this.#requests = new Reader(server, () => undefined)
    this.#responses = new Reader(client, k => plan.exchanges[k]?.method ?? 'GET')
  }

  async play(): Promise<HttpObservation> {
    const { exchanges, ending } = this.#plan
    let sent = 0
    for (const [k, exchange] of exchanges.entries()) {
      const isLast = k === exchanges.length - 1
      if (isLast && ending.when !== 'after' && sent <= k) {
        await this.#cutOff(exchange)
        return this.#observation()
      }
      // What goes out together with this one: all that follow without waiting.
      if (sent <= k) {
        const together = [exchange]
        while (isPipelined(exchanges[k + together.length], together.at(-1)!, exchanges.length - 1 - k - together.length, ending.when))
          together.push(exchanges[k + together.length]!)
        sent = k + together.length
        await this.#exchange(exchange, together.slice(1))
      } else {
        await this.#requests.whole('a pipelined request')
        await this.#answer(exchange)
      }
      if (closes(exchange)) {
        await this.#client.until('a FIN', () => this.#client.ended)
        this.#client.socket.end()
        await this.#server.until('a FIN', () => this.#server.ended)
        return this.#observation()
      }
    }
    await this.#end()
    return this.#observation()
  }

  async #exchange(exchange: ExchangePlan, behind: readonly ExchangePlan[]): Promise<void> {
    const head = requestHead(exchange)
    const body = framed(exchange.request)
    const pace = behind.length > 0 || body.length === 0 ? 'at once' : exchange.pace
    if (pace === 'at once') {
      const more = behind.flatMap(next => [requestHead(next), framed(next.request)])
      await this.#client.write(Buffer.concat([head, body, ...more]), exchange.requestCuts)
      await this.#requests.whole('a request')
      return this.#answer(exchange)
    }
    await this.#client.write(head, exchange.requestCuts)
    await this.#server.until('the head of a request', () => this.#requests.current !== undefined)
    if (pace === 'continue') {
      await this.#server.write(Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'), [])
      await this.#responses.whole('a 100')
      await this.#client.write(body, exchange.requestCuts)
      await this.#requests.whole('a request')
      return this.#answer(exchange)
    }
    const half = body.length >> 1
    await this.#client.write(body.subarray(0, half), [])
    await this.#answer(exchange)
    if (closes(exchange)) return
    await this.#client.write(body.subarray(half), [])
    await this.#requests.whole('the rest of a request')
  }

  async #answer(exchange: ExchangePlan): Promise<void> {
    for (const headers of exchange.hints) {
      await this.#server.write(Buffer.from(`HTTP/1.1 103 Early Hints\r\n${headerText(headers)}\r\n`, 'latin1'), [])
      await this.#responses.whole('a 103')
    }
    await this.#server.write(responseBytes(exchange), exchange.responseCuts)
    if (closes(exchange)) this.#server.socket.end()
    await this.#responses.whole('a response')
  }

  /** The last exchange, of which one side tires. */
  async #cutOff(exchange: ExchangePlan): Promise<void> {
    const { ending } = this.#plan
    const head = requestHead(exchange)
    const body = framed(exchange.request)
    if (ending.when === 'in the request' && body.length > 0) {
      const half = body.subarray(0, body.length >> 1)
      await this.#client.write(Buffer.concat([head, half]), [])
      const due = contentIn(Buffer.concat([head, half]), undefined)
      await this.#server.until('half of a request', () => (this.#requests.current?.body.length ?? -1) >= due)
      return this.#tire()
    }
    await this.#client.write(Buffer.concat([head, body]), exchange.requestCuts)
    await this.#requests.whole('a request')
    if (ending.when !== 'in the response') return this.#tire()
    const whole = responseBytes(exchange)
    const end = whole.indexOf('\r\n\r\n') + 4
    const part = whole.subarray(0, end + ((whole.length - end) >> 1))
    await this.#server.write(part, [])
    const due = contentIn(part, exchange.method)
    await this.#client.until('half of a response', () => (this.#responses.current?.body.length ?? -1) >= due)
    return this.#tire()
  }

  /** One side ends the connection; the other sees it, and ends too. */
  async #tire(): Promise<void> {
    const { by, how } = this.#plan.ending
    const [one, other] = by === 'client' ? [this.#client, this.#server] : [this.#server, this.#client]
    if (how === 'rst') reset(one.socket)
    else one.socket.end()
    await other.until(how === 'rst' ? 'an RST' : 'a FIN', () => other.ended)
    if (how === 'rst') return
    other.socket.end()
    await one.until('the other FIN', () => one.ended)
  }

  #end(): Promise<void> {
    return this.#tire()
  }

  #observation(): HttpObservation {
    this.#requests.rest()
    this.#responses.rest()
    const of = (witness: Witness, { messages }: Reader): Seen => ({ messages, ends: witness.marks.map(({ what }) => what) })
    return { client: of(this.#client, this.#responses), server: of(this.#server, this.#requests) }
  }
}

function isPipelined(next: ExchangePlan | undefined, before: ExchangePlan, after: number, when: string): boolean {
  if (!next?.pipelined || closes(before)) return false
  // The one that is cut off is sent by itself.
  return when === 'after' || after > 0
}

/** True if the connection ends with this response. */
function closes(exchange: ExchangePlan): boolean {
  return exchange.response.framing === 'close' && !isBodiless(exchange)
}

function requestHead({ version, method, target, requestHeaders, request, pace }: ExchangePlan): Buffer {
  const persistent: readonly (readonly [string, string])[] = version === '1.0' ? [['Connection', 'keep-alive']] : []
  const expect: readonly (readonly [string, string])[] =
    pace === 'continue' && framed(request).length > 0 ? [['Expect', '100-continue']] : []
  const headers = headerText([['Host', 'example.com'], ...requestHeaders, ...persistent, ...expect, ...framingHeader(request)])
  return Buffer.from(`${method} ${target} HTTP/${version}\r\n${headers}\r\n`, 'latin1')
}

function responseBytes(exchange: ExchangePlan): Buffer {
  const { responseVersion, status, reason, responseHeaders, response } = exchange
  const none = isBodiless(exchange)
  // What has no body may still say how long one would have been (RFC 9110 §8.6), but for 204.
  const framing = status === 204 ? [] : none && response.framing === 'close' ? [] : framingHeader(response)
  const head = `HTTP/${responseVersion} ${status} ${reason}\r\n${headerText([...responseHeaders, ...framing])}\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), none ? Buffer.alloc(0) : framed(response)])
}

/** How much content the bytes hold, without framing. */
function contentIn(bytes: Buffer, requestMethod: string | undefined): number {
  return messageAt(bytes, 0, requestMethod, false)?.body.length ?? 0
}
