import {
  Flag,
  type ObjectMessage,
  type ObjectState,
  type PresenceMember,
  type ProtocolMessage,
  type WireMessage,
} from '../protocol-message.ts'

/** What a channel sees of a connection. */
export interface Subscriber {
  readonly connectionId: string
  readonly clientId: string | undefined
  readonly wantsEcho: boolean
  send(message: ProtocolMessage): void
}

/** Members that one page of a presence sync holds. */
const pageSize = 100

/** One channel: who is attached and present, and what was published, for those who resume. */
export class Channel {
  readonly name: string
  /** What a sync of objects tells of, one a page; operations are passed on and change nothing here. */
  readonly objects: ObjectState[] = []
  readonly #attached = new Set<Subscriber>()
  readonly #members = new Map<string, PresenceMember & { readonly connectionId: string }>()
  readonly #history: { readonly serial: string; readonly message: ProtocolMessage }[] = []
  #serial = 0

  constructor(name: string) {
    this.name = name
  }

  /** Everything published and stored, oldest first. */
  get messages(): WireMessage[] {
    return this.#history.flatMap(({ message }) => message.messages ?? [])
  }

  get members(): PresenceMember[] {
    return [...this.#members.values()].map(member => ({ ...member, action: 'PRESENT' }))
  }

  attach(subscriber: Subscriber, { channelSerial, flags = 0, params }: ProtocolMessage): void {
    const missed = channelSerial ? this.#after(channelSerial) : undefined
    const rewind = Number(params?.['rewind'] ?? 0)
    const backlog =
      missed ?? (rewind > 0 && !(flags & Flag.ATTACH_RESUME) ? this.#history.slice(-rewind).map(({ message }) => message) : [])
    this.#attached.add(subscriber)
    subscriber.send({
      action: 'ATTACHED',
      channel: this.name,
      channelSerial: this.#serialText(),
      flags:
        (flags & Flag.ALL_MODES || Flag.BASIC_MODES) |
        (missed ? Flag.RESUMED : 0) |
        (missed === undefined && backlog.length > 0 ? Flag.HAS_BACKLOG : 0) |
        (this.#members.size > 0 ? Flag.HAS_PRESENCE : 0) |
        (this.objects.length > 0 ? Flag.HAS_OBJECTS : 0),
    })
    for (const [index, object] of this.objects.entries()) {
      const cursor = index + 1 < this.objects.length ? String(index + 1) : ''
      subscriber.send({ action: 'OBJECT_SYNC', channel: this.name, channelSerial: `objects:${cursor}`, state: [{ object }] })
    }
    for (const message of backlog) subscriber.send(message)
    if (this.#members.size > 0) this.sync(subscriber)
  }

  detach(subscriber: Subscriber): void {
    this.#attached.delete(subscriber)
  }

  /** Stores messages once by their ids, and sends them to everybody attached. Returns a serial for each. */
  publish(messages: readonly WireMessage[], from: { readonly id: string; readonly publisher?: Subscriber | undefined }): string[] {
    const stored = new Set(this.messages.map(({ id }) => id))
    const { id, publisher } = from
    const fresh = messages.map((message, index) => ({
      ...message,
      id: message.id ?? `${id}:${index}`,
      serial: `${this.#serialText(1)}:${index}`,
      ...(publisher && { connectionId: publisher.connectionId }),
      ...(publisher?.clientId !== undefined && publisher.clientId !== '*' && { clientId: publisher.clientId }),
    }))
    const serials = fresh.map(({ serial }) => serial)
    const news = fresh.filter(message => !stored.has(message.id))
    if (news.length === 0) return serials
    const message = this.#stamped({ action: 'MESSAGE', id, messages: news }, publisher)
    this.#history.push({ serial: this.#serialText(), message })
    this.#send(message, publisher)
    return serials
  }

  /** Enter, update and leave: kept as the state of the channel, and told to everybody attached. */
  setPresence(members: readonly PresenceMember[], id: string, subscriber: Subscriber): void {
    const { connectionId } = subscriber
    const presence = members.map((member, index) => {
      const clientId = member.clientId ?? subscriber.clientId
      const full = { ...member, id: `${id}:${index}`, connectionId, timestamp: Date.now(), ...(clientId !== undefined && { clientId }) }
      const key = `${connectionId}:${clientId}`
      if (member.action === 'LEAVE') this.#members.delete(key)
      else this.#members.set(key, full)
      return full
    })
    this.#send(this.#stamped({ action: 'PRESENCE', id, presence }, subscriber))
  }

  /** All members of a connection leave. */
  leave(subscriber: Subscriber): void {
    const own = [...this.#members.values()].filter(({ connectionId }) => connectionId === subscriber.connectionId)
    if (own.length === 0) return
    this.setPresence(
      own.map(({ clientId }) => ({ action: 'LEAVE' as const, ...(clientId !== undefined && { clientId }) })),
      `${subscriber.connectionId}:left`,
      subscriber,
    )
  }

  /** Everybody present, in pages; the last one has an empty cursor. */
  sync(subscriber: Subscriber): void {
    const all = this.members
    for (let start = 0; start === 0 || start < all.length; start += pageSize) {
      const cursor = start + pageSize < all.length ? String(start + pageSize) : ''
      subscriber.send({
        action: 'SYNC',
        channel: this.name,
        channelSerial: `sync${this.#serial}:${cursor}`,
        presence: all.slice(start, start + pageSize),
      })
    }
  }

  /** Operations on objects are told to everybody attached, in the order of their serials. */
  operate(operations: readonly ObjectMessage[], siteCode: string, publisher: Subscriber): string[] {
    const state = operations.map((operation, index) => ({ ...operation, siteCode, serial: `${this.#serialText(1)}:${index}` }))
    this.#send(this.#stamped({ action: 'OBJECT', state }, publisher))
    return state.map(({ serial }) => serial)
  }

  #stamped(message: ProtocolMessage, publisher: Subscriber | undefined): ProtocolMessage {
    this.#serial++
    return {
      ...message,
      channel: this.name,
      channelSerial: this.#serialText(),
      timestamp: Date.now(),
      ...(publisher && { connectionId: publisher.connectionId }),
    }
  }

  #send(message: ProtocolMessage, publisher?: Subscriber): void {
    for (const subscriber of this.#attached) if (subscriber !== publisher || subscriber.wantsEcho) subscriber.send(message)
  }

  /** What was published after a serial; `undefined` for a serial that was never given out. */
  #after(serial: string): ProtocolMessage[] | undefined {
    if (!serial.startsWith(`${this.name}@`) || serial > this.#serialText()) return undefined
    return this.#history.filter(stored => stored.serial > serial).map(({ message }) => message)
  }

  /** Serials sort as text. */
  #serialText(ahead = 0): string {
    return `${this.name}@${String(this.#serial + ahead).padStart(8, '0')}`
  }
}
