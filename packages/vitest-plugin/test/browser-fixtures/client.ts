/** What a page's own code would be: a WebSocket that sends again what was not acknowledged when its connection ended. */
export class SafeClient {
  readonly got: string[] = []
  readonly #url: string
  readonly #unacknowledged = new Map<number, string>()
  #socket: WebSocket | undefined
  #closed = false
  #heard = Promise.withResolvers<void>()

  constructor(url: string = 'wss://chat.example.com/') {
    this.#url = url
    this.#connect()
  }

  send(id: number): void {
    const packet = JSON.stringify({ action: 'MESSAGE', id })
    this.#unacknowledged.set(id, packet)
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(packet)
  }

  /** Resolves once so many messages have come. */
  async heard(count: number): Promise<string[]> {
    while (this.got.length < count) await this.#heard.promise
    return this.got
  }

  close(): void {
    this.#closed = true
    this.#socket?.close()
  }

  #connect(): void {
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    socket.addEventListener('open', () => {
      for (const packet of this.#unacknowledged.values()) socket.send(packet)
    })
    socket.addEventListener('message', ({ data }) => {
      this.got.push(String(data))
      const { action, id = 0 } = JSON.parse(String(data)) as { readonly action: string; readonly id?: number }
      if (action === 'ACK') this.#unacknowledged.delete(id)
      this.#heard.resolve()
      this.#heard = Promise.withResolvers()
    })
    socket.addEventListener('close', () => {
      if (!this.#closed) this.#connect()
    })
  }
}
