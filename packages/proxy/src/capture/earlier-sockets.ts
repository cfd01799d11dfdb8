import { Agent } from 'node:http'
import type { ClientRequest } from 'node:http'
import { Socket } from 'node:net'
import { MidwireError } from '../errors.ts'
import { Patch } from './patch.ts'

type AddRequest = (this: Agent, request: ClientRequest, ...rest: unknown[]) => void

/** Knows the pooled sockets that were opened before anything was installed, on which a test's requests would not be seen. */
export class EarlierSockets {
  #opened = new WeakSet<Socket>()
  readonly #concerned: () => boolean

  // Undocumented, and stable: agents are told of each request through it, and `https.Agent` inherits it.
  readonly #addRequest = new Patch<AddRequest>(Agent.prototype, 'addRequest', below => {
    const discard = (agent: Agent): void => {
      if (this.#addRequest.wanted && this.#concerned()) this.#discardFree(agent)
    }
    return function (this: Agent, ...args: Parameters<AddRequest>): void {
      discard(this)
      below.apply(this, args)
    }
  })

  /** `concerned` says whether the code that runs is a test's, and its requests must be seen. */
  constructor(concerned: () => boolean) {
    this.#concerned = concerned
  }

  watch(): void {
    this.#addRequest.apply()
  }

  unwatch(): void {
    this.#addRequest.remove()
  }

  /** From now on, all sockets so far are earlier ones. */
  begin(): void {
    this.#opened = new WeakSet()
  }

  opened(socket: Socket): void {
    this.#opened.add(socket)
  }

  /** True for a TCP socket, the one that connected, that was opened before. */
  includes(socket: Socket): boolean {
    if (!(socket instanceof Socket) || this.#opened.has(socket)) return false
    // An interceptor's, or not TCP: never captured.
    return !Object.hasOwn(socket, '_writeGeneric') && socket.remoteAddress !== undefined
  }

  /** Says that a request is about to go out on one of them. */
  error(request: string, socket: Socket): MidwireError {
    return new MidwireError(
      'MIDWIRE_CAPTURE',
      `${request} was about to go out on a connection to ${socket.remoteAddress}:${socket.remotePort} that was opened before Midwire was ` +
        `installed, where nothing can be seen; close such connections first, or let midwire() in vitest.config.ts put Midwire in place earlier`,
    )
  }

  /** The agent then opens a new connection. Free sockets carry nothing, so nothing is lost. */
  #discardFree(agent: Agent): void {
    for (const sockets of Object.values(agent.freeSockets)) {
      for (const socket of sockets ?? []) if (this.includes(socket)) socket.destroy()
    }
  }
}
