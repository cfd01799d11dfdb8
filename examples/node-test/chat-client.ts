import { WebSocket } from 'ws'

/** What client and server say to each other. */
export type ChatMessage =
  | { readonly type: 'say'; readonly id: number; readonly text: string }
  | { readonly type: 'ack'; readonly id: number }

/** A small chat client: says things, and says them again on the next connection until they are acknowledged. */
export class ChatClient implements Disposable {
  readonly #url: string
  readonly #waiting = new Map<number, { readonly text: string; readonly acked: () => void }>()
  #socket: WebSocket | undefined
  #nextId = 1
  #closed = false

  constructor(url = 'wss://chat.example.com/v1') {
    this.#url = url
    this.#connect()
  }

  /** Resolves when the server has acknowledged it. */
  say(text: string): Promise<void> {
    const id = this.#nextId++
    return new Promise(resolve => {
      this.#waiting.set(id, { text, acked: resolve })
      if (this.#socket?.readyState === WebSocket.OPEN) this.#send(id, text)
    })
  }

  [Symbol.dispose](): void {
    this.#closed = true
    this.#socket?.close()
  }

  #connect(): void {
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    socket.on('open', () => {
      for (const [id, { text }] of this.#waiting) this.#send(id, text)
    })
    socket.on('message', data => {
      const message = JSON.parse(String(data)) as ChatMessage
      if (message.type !== 'ack') return
      this.#waiting.get(message.id)?.acked()
      this.#waiting.delete(message.id)
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      if (!this.#closed) setTimeout(() => this.#connect(), 10)
    })
  }

  #send(id: number, text: string): void {
    this.#socket?.send(JSON.stringify({ type: 'say', id, text } satisfies ChatMessage))
  }
}
