import type { Action, ConnectionDetails, ErrorInfo, ProtocolMessage } from '../protocol-message.ts'
import type { Channel, Subscriber } from './channel.ts'
import type { Hub } from './hub.ts'

/** What carries the messages of a session to its client, for the time being. */
export interface Carrier {
  send(message: ProtocolMessage): void
  end(): void
}

/** One connection of Ably's: it outlives the sockets that carry it, and is resumed by its key. */
export class Session implements Subscriber {
  readonly connectionId: string
  readonly clientId: string | undefined
  readonly wantsEcho: boolean
  readonly #hub: Hub
  readonly #channels = new Set<string>()
  #carrier: Carrier | undefined
  #keys = 0
  #nextSerial = 0

  /** What is done about what a client sends, by its action. */
  readonly #handlers: Partial<Record<Action, (message: ProtocolMessage, channel: Channel) => void>> = {
    HEARTBEAT: message => this.send(message),
    ATTACH: (message, channel) => {
      this.#channels.add(channel.name)
      channel.attach(this, message)
    },
    DETACH: (_, channel) => {
      this.#channels.delete(channel.name)
      channel.leave(this)
      channel.detach(this)
      this.send({ action: 'DETACHED', channel: channel.name })
    },
    MESSAGE: (message, channel) => this.#acknowledge(message, id => channel.publish(message.messages ?? [], { id, publisher: this })),
    PRESENCE: (message, channel) =>
      this.#acknowledge(message, id => {
        channel.setPresence(message.presence ?? [], id, this)
        return []
      }),
    OBJECT: (message, channel) => this.#acknowledge(message, () => channel.operate(message.state ?? [], 'fake', this)),
    SYNC: (_, channel) => channel.sync(this),
    AUTH: ({ auth }) => {
      const error = this.#hub.access.problemWith({ token: auth?.accessToken })
      if (error) this.send({ action: 'ERROR', error })
      else this.#sendConnected()
    },
    CLOSE: () => {
      this.send({ action: 'CLOSED' })
      this.#end()
    },
    DISCONNECT: () => this.#carrier?.end(),
  }

  constructor(hub: Hub, connectionId: string, query: URLSearchParams) {
    this.#hub = hub
    this.connectionId = connectionId
    this.clientId = query.get('clientId') ?? undefined
    this.wantsEcho = query.get('echo') !== 'false'
  }

  /** The session goes on over another carrier; channels are attached anew by the client. */
  carryOver(carrier: Carrier, error?: ErrorInfo): void {
    this.#carrier = carrier
    for (const name of this.#channels) this.#hub.channel(name).detach(this)
    this.#channels.clear()
    this.#sendConnected(error)
  }

  /** A carrier is gone; the session waits to be resumed. */
  lose(carrier: Carrier): void {
    if (this.#carrier !== carrier) return
    this.#carrier = undefined
    for (const name of this.#channels) this.#hub.channel(name).detach(this)
  }

  send(message: ProtocolMessage): void {
    this.#carrier?.send(message)
  }

  receive(message: ProtocolMessage): void {
    this.#handlers[message.action]?.(message, this.#hub.channel(message.channel ?? ''))
  }

  /** What was sent before is acknowledged again, and done only once. */
  #acknowledge({ msgSerial = 0 }: ProtocolMessage, act: (id: string) => string[]): void {
    const isNew = msgSerial >= this.#nextSerial
    const serials = isNew ? act(`${this.connectionId}:${msgSerial}`) : []
    if (isNew) this.#nextSerial = msgSerial + 1
    this.send({ action: 'ACK', msgSerial, count: 1, res: [{ serials }] })
  }

  #sendConnected(error?: ErrorInfo): void {
    const connectionKey = this.#hub.keyFor(this, ++this.#keys)
    const connectionDetails: ConnectionDetails = {
      connectionKey,
      connectionStateTtl: 120_000,
      maxIdleInterval: this.#hub.maxIdleInterval,
      maxMessageSize: 65_536,
      siteCode: 'fake',
      ...(this.clientId !== undefined && { clientId: this.clientId }),
    }
    this.send({ action: 'CONNECTED', connectionId: this.connectionId, connectionDetails, ...(error && { error }) })
  }

  #end(): void {
    for (const name of this.#channels) {
      this.#hub.channel(name).detach(this)
      this.#hub.channel(name).leave(this)
    }
    this.#hub.forget(this)
    this.#carrier?.end()
    this.#carrier = undefined
  }
}
