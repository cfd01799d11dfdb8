import { randomUUID } from 'node:crypto'
import { type ErrorInfo, errorOf } from '../protocol-message.ts'
import { Access } from './access.ts'
import { Channel } from './channel.ts'
import { type Carrier, Session } from './session.ts'

export interface HubOptions {
  /** ms in which a client hears of the server, at the latest. @default 15000 */
  readonly maxIdleInterval?: number
}

/** Everything that the fake knows: its channels, its connections by their keys, and who may connect. */
export class Hub {
  readonly access = new Access()
  /** ms in which a client hears of the server, at the latest. */
  readonly maxIdleInterval: number
  readonly #channels = new Map<string, Channel>()
  readonly #sessions = new Map<string, Session>()

  constructor({ maxIdleInterval = 15_000 }: HubOptions = {}) {
    this.maxIdleInterval = maxIdleInterval
  }

  channel(name: string): Channel {
    let channel = this.#channels.get(name)
    if (!channel) this.#channels.set(name, (channel = new Channel(name)))
    return channel
  }

  /** Begins a connection, or resumes the one whose key the client names. Without credentials it gets an error, and no session. */
  connect(query: URLSearchParams, carrier: Carrier): Session | undefined {
    const refused = this.access.problemWith({ key: query.get('key'), token: query.get('access_token') })
    if (refused) {
      carrier.send({ action: 'ERROR', error: refused })
      carrier.end()
      return undefined
    }
    const wanted = query.get('resume') ?? query.get('recover')
    const known = wanted === null ? undefined : this.#sessions.get(wanted)
    const session = known ?? new Session(this, randomUUID().slice(0, 8), query)
    session.carryOver(carrier, wanted !== null && !known ? cannotResume : undefined)
    return session
  }

  session(connectionKey: string): Session | undefined {
    return this.#sessions.get(connectionKey)
  }

  /** Each time another key, and all of them lead to the connection. */
  keyFor(session: Session, count: number): string {
    const connectionKey = `${session.connectionId}!${count}`
    this.#sessions.set(connectionKey, session)
    return connectionKey
  }

  forget(session: Session): void {
    for (const [connectionKey, other] of this.#sessions) if (other === session) this.#sessions.delete(connectionKey)
  }
}

const cannotResume: ErrorInfo = { ...errorOf(80018, 'Unable to recover connection'), statusCode: 400 }
