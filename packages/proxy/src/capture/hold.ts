import { isIP } from 'node:net'
import type { Socket } from 'node:net'
import type { ConnectCall } from './connect-options.ts'
import { connectDirectly } from './nodes-connect.ts'

/** A socket of a client that is kept connecting until it is known how that ends. */
export interface Hold {
  /** True if Node has given it up for another address. */
  readonly over: boolean
  /** Lets it connect to the loopback listener; its local port is known when this returns. */
  toLoopback(port: number): void
  /** Makes its connect fail as Node would have with this error. */
  fail(error: Error): void
}

/** What happens on the way to the other end; shown on the client's socket as it happens on the upstream one. */
export const STEPS = ['lookup', 'connectionAttempt', 'connectionAttemptFailed', 'connectionAttemptTimeout'] as const

type LookupCallback = (error: Error | null, address: string, family: number) => void

/**
 * Keeps a socket connecting by Node's own means: a lookup that is not answered. So writes, `end()`, `destroy()`, options and timeouts
 * are Node's own.
 */
export class LookupHold implements Hold {
  readonly #client: Socket
  #answer: LookupCallback | undefined
  #inConnect = true
  readonly over = false

  constructor(client: Socket, { options, listener }: ConnectCall, loopbackPort: number) {
    this.#client = client
    const knownHost: unknown = Reflect.get(client, '_host')
    const lookup = (_host: string, _options: object, answer: LookupCallback): void => {
      this.#answer = answer
    }
    connectDirectly(
      client,
      // The port is read at once, so the listener must stand by now.
      { host: 'midwire.invalid', port: loopbackPort, family: 4, autoSelectFamily: false, lookup },
      listener,
    )
    // Node keeps a name here, for TLS; for an IP literal it keeps what was there.
    const host = typeof options['host'] === 'string' && options['host'] !== '' ? options['host'] : 'localhost'
    Reflect.set(client, '_host', isIP(host) ? knownHost : host)
    queueMicrotask(() => {
      this.#inConnect = false
    })
  }

  toLoopback(): void {
    const client = this.#client
    const blockList: unknown = Reflect.get(client, 'blockList')
    // These steps are our own; the client has been shown the real ones, and its block list has been asked about them.
    const before = Object.getOwnPropertyDescriptor(client, 'emit')
    const emit = client.emit.bind(client) as (...args: unknown[]) => boolean
    const quietly = (...args: unknown[]): boolean => !STEPS.some(step => step === args[0]) && emit(...args)
    Object.defineProperty(client, 'emit', { configurable: true, writable: true, value: quietly })
    if (blockList) Reflect.set(client, 'blockList', undefined)
    try {
      this.#answer?.(null, '127.0.0.1', 4)
    } finally {
      if (before) Object.defineProperty(client, 'emit', before)
      else Reflect.deleteProperty(client, 'emit')
      if (blockList) Reflect.set(client, 'blockList', blockList)
    }
  }

  fail(error: Error): void {
    // Within connect() nobody listens yet; Node waits a tick in the same place.
    if (this.#inConnect) process.nextTick(() => this.#client.destroy(error))
    else this.#client.destroy(error)
  }
}
