import { WebSocket } from 'ws'

export interface ProtocolMessage {
  readonly action: 'CONNECTED' | 'MESSAGE' | 'ACK'
  readonly msgSerial?: number
  readonly data?: string
}

interface Unacknowledged {
  readonly message: ProtocolMessage
  readonly acknowledged: () => void
}

/** A client that sends again, on its next connection, what was not acknowledged. */
export class Realtime {
  #socket: WebSocket
  #unacknowledged: Unacknowledged[] = []
  #serial = 0
  #closed = false

  constructor() {
    this.#socket = this.#connect()
  }

  publish(data: string): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const message: ProtocolMessage = { action: 'MESSAGE', msgSerial: this.#serial++, data }
    this.#unacknowledged.push({ message, acknowledged: resolve })
    if (this.#socket.readyState === WebSocket.OPEN) this.#send(message)
    return promise
  }

  close(): void {
    this.#closed = true
    this.#socket.close()
  }

  #connect(): WebSocket {
    const socket = new WebSocket('wss://main.realtime.example.com/?v=6')
    socket.on('error', () => {})
    socket.on('open', () => {
      for (const { message } of this.#unacknowledged) this.#send(message)
    })
    socket.on('message', bytes => this.#receive(JSON.parse(String(bytes)) as ProtocolMessage))
    socket.on('close', () => {
      if (!this.#closed) this.#socket = this.#connect()
    })
    return socket
  }

  #send(message: ProtocolMessage): void {
    this.#socket.send(JSON.stringify(message))
  }

  #receive({ action, msgSerial }: ProtocolMessage): void {
    if (action !== 'ACK') return
    const isAcknowledged = ({ message }: Unacknowledged): boolean => message.msgSerial === msgSerial
    for (const { acknowledged } of this.#unacknowledged.filter(isAcknowledged)) acknowledged()
    this.#unacknowledged = this.#unacknowledged.filter(each => !isAcknowledged(each))
  }
}
