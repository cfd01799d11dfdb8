import { once } from 'node:events'
import { WebSocket } from 'ws'

export type Json = Readonly<Record<string, unknown>>

export interface Asked {
  readonly params: Json
  answer(result: unknown): void
  refuse(message: string): void
}

/** Everything that went over a control connection, for whoever wants to check it. */
export interface Seen {
  readonly from: 'client' | 'server'
  readonly json: unknown
}

/** A test suite in some other language, as far as its control connection goes. */
export class ControlClient implements AsyncDisposable {
  readonly socket: WebSocket
  readonly seen: Seen[] = []
  readonly notifications: { readonly method: string; readonly params: Json }[] = []
  /** Questions of the server, in order; `onAsked` answers them. */
  readonly asked: Asked[] = []
  onAsked: ((asked: Asked) => void) | undefined
  readonly #replies = new Map<unknown, (reply: Json) => void>()
  readonly #unasked: Json[] = []
  readonly #listeners = new Set<() => void>()
  #next = 0

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', data => this.#take(String(data)))
  }

  static async open(url: string, token: string): Promise<ControlClient> {
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${token}` } })
    const client = new ControlClient(socket)
    await once(socket, 'open')
    return client
  }

  /** The result. @throws Error with the message of an error */
  async call(method: string, params?: object): Promise<Json> {
    const { result, error } = await this.request(method, params)
    if (error === undefined) return result as Json
    throw Object.assign(new Error((error as Error).message), error)
  }

  /** The whole reply. */
  request(method: string, params?: object): Promise<Json> {
    const id = ++this.#next
    const reply = new Promise<Json>(resolve => this.#replies.set(id, resolve))
    this.send({ jsonrpc: '2.0', id, method, ...(params && { params }) })
    return reply
  }

  send(json: unknown): void {
    this.seen.push({ from: 'client', json })
    this.socket.send(JSON.stringify(json))
  }

  /** Sends this text, and resolves with the next reply that answers no request of ours. */
  async sendText(text: string): Promise<unknown> {
    this.socket.send(text)
    return await this.until(() => this.#unasked.shift())
  }

  async notified(method: string, nth: number = 1): Promise<Json> {
    return await this.until(() => this.notifications.filter(one => one.method === method)[nth - 1]?.params)
  }

  async nextAsked(nth: number): Promise<Asked> {
    return await this.until(() => this.asked[nth - 1])
  }

  async until<T>(look: () => T | undefined): Promise<T> {
    for (;;) {
      const found = look()
      if (found !== undefined) return found
      await new Promise<void>(resolve => {
        const wake = (): void => {
          this.#listeners.delete(wake)
          resolve()
        }
        this.#listeners.add(wake)
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return
    const closed = once(this.socket, 'close')
    this.socket.terminate()
    await closed
  }

  #take(text: string): void {
    const json: unknown = JSON.parse(text)
    this.seen.push({ from: 'server', json })
    const { id, method, params } = json as { id?: unknown; method?: string; params?: Json }
    const reply = this.#replies.get(id)
    if (method !== undefined && id === undefined) this.notifications.push({ method, params: params ?? {} })
    else if (method !== undefined) this.#ask(id, params ?? {})
    else if (reply) reply(json as Json)
    else this.#unasked.push(json as Json)
    for (const wake of [...this.#listeners]) wake()
  }

  #ask(id: unknown, params: Json): void {
    const asked: Asked = {
      params,
      answer: result => this.send({ jsonrpc: '2.0', id, result }),
      refuse: message => this.send({ jsonrpc: '2.0', id, error: { code: -32000, message } }),
    }
    this.asked.push(asked)
    this.onAsked?.(asked)
  }
}
