import type { Server, Socket } from 'node:net'
import { bindLoopback } from '../capture/loopback-port.ts'
import type { Inbound } from '../capture/inbound.ts'
import type { Scope } from '../scope.ts'
import { type Answer, ChildClient, type ChildSocket } from './child-client.ts'
import type { FoundAddress, FromChild, Opening, ToChild } from './letters.ts'
import { LetterBox } from './letter-box.ts'
import { restoredError } from './portable-error.ts'

/** Connections that nobody has announced are kept until there are this many of them. */
const mostStrays = 64

/** Who a child says that it is. */
export interface ChildIdentity {
  readonly token: string
  readonly pid: number
}

/** What the door opens to. */
export interface ChildDoorOptions {
  /** Whose child hands in this token; `undefined` for one that was never handed out. Asked again for each connection. */
  readonly scopeOf: (child: ChildIdentity) => Scope | undefined
  readonly open: (inbound: Inbound) => void
}

/**
 * Where children on Node tell of each connection that their code opens, and where their sockets connect to once they may: these carry the
 * client's own bytes alone, and live and die with it.
 */
export class ChildDoor implements Disposable {
  readonly #options: ChildDoorOptions
  readonly #letters: { readonly port: number; readonly server: Server }
  readonly #landing: { readonly port: number; readonly server: Server }
  readonly #children = new Set<Socket>()
  /** By the port that they come from. */
  readonly #landed = new Map<number, Socket>()
  readonly #awaited = new Map<number, (end: Socket) => void>()

  constructor(options: ChildDoorOptions) {
    this.#options = options
    this.#letters = bindLoopback(socket => this.#childCame(socket))
    this.#landing = bindLoopback(end => this.#landedHere(end))
  }

  /** Of the two listeners: for letters, and for the connections themselves. */
  get ports(): readonly [number, number] {
    return [this.#letters.port, this.#landing.port]
  }

  [Symbol.dispose](): void {
    this.#letters.server.close()
    this.#landing.server.close()
    for (const socket of [...this.#children, ...this.#landed.values()]) socket.destroy()
    this.#landed.clear()
  }

  #childCame(socket: Socket): void {
    // A child is no reason for this process to live on.
    socket.unref()
    this.#children.add(socket)
    let child: ChildIdentity | undefined
    const clients = new Map<number, ClientInChild>()
    const box = new LetterBox<ToChild, FromChild>(socket, letter => {
      if (letter.kind === 'hello') child ??= letter
      const scope = child && this.#options.scopeOf(child)
      // Whoever does not know the token is no child.
      if (!scope) return void socket.destroy()
      if (letter.kind === 'hello') return
      const { id } = letter
      if (letter.kind !== 'open') return clients.get(id)?.take(letter)
      const client = new ClientInChild(letter, scope, answer => box.send({ ...answer, id }), this.#await)
      clients.set(id, client)
      client.gone.addEventListener('abort', () => clients.delete(id))
      this.#options.open(new ChildClient(client))
    })
    socket.once('close', () => {
      this.#children.delete(socket)
      for (const client of clients.values()) client.leave()
    })
  }

  #landedHere(end: Socket): void {
    const from = end.remotePort ?? 0
    const take = this.#awaited.get(from)
    this.#awaited.delete(from)
    if (take) return take(end)
    for (const [port, stray] of this.#landed) {
      if (this.#landed.size < mostStrays) break
      this.#landed.delete(port)
      stray.destroy()
    }
    const forget = (): void => {
      if (this.#landed.get(from) === end) this.#landed.delete(from)
    }
    end.on('error', () => {}).once('close', forget)
    this.#landed.set(from, end)
  }

  /** The connection that comes, or came, from this port. Returns how to give up waiting. */
  readonly #await = (port: number, take: (end: Socket) => void): (() => void) => {
    const end = this.#landed.get(port)
    this.#landed.delete(port)
    if (end && !end.destroyed) take(end)
    else this.#awaited.set(port, take)
    return () => {
      if (this.#awaited.get(port) === take) this.#awaited.delete(port)
    }
  }
}

type Await = (port: number, take: (end: Socket) => void) => () => void

/** What is known here of a socket in a child. */
class ClientInChild implements ChildSocket {
  opening: Opening
  readonly scope: Scope
  readonly tell: (answer: Answer) => void
  readonly #await: Await
  readonly #gone = new AbortController()
  readonly #end = Promise.withResolvers<Socket>()
  readonly #syncs: PromiseWithResolvers<void>[] = []
  #found: PromiseWithResolvers<readonly FoundAddress[]> | undefined

  constructor(opening: Opening, scope: Scope, tell: (answer: Answer) => void, awaitEnd: Await) {
    this.opening = opening
    this.scope = scope
    this.tell = tell
    this.#await = awaitEnd
    // Nobody may be waiting.
    this.#end.promise.catch(() => {})
  }

  get gone(): AbortSignal {
    return this.#gone.signal
  }

  landed(): Promise<Socket> {
    return this.#end.promise
  }

  lookUp(): Promise<readonly FoundAddress[]> {
    this.#found = Promise.withResolvers()
    this.tell({ kind: 'lookUp' })
    return this.#found.promise
  }

  synced(): Promise<void> {
    if (this.gone.aborted) return Promise.resolve()
    const sync = Promise.withResolvers<void>()
    this.#syncs.push(sync)
    this.tell({ kind: 'sync' })
    return sync.promise
  }

  take(letter: Exclude<FromChild, { kind: 'hello' | 'open' }>): void {
    switch (letter.kind) {
      case 'tls':
        this.opening = { ...this.opening, tls: letter.tls }
        return
      case 'synced':
        return this.#syncs.shift()?.resolve()
      case 'found':
        return this.#found?.resolve(letter.addresses)
      case 'notFound':
        return this.#found?.reject(restoredError(letter.error))
      case 'landing': {
        const giveUp = this.#await(letter.localPort, end => this.#end.resolve(end))
        return this.gone.addEventListener('abort', giveUp)
      }
      case 'gone':
        return this.leave()
    }
  }

  /** Its client has given up, or is gone with its process. */
  leave(): void {
    const { host, port } = this.opening
    const reason = new Error(`the client in a child process gave up its connection to ${host}:${port}`)
    this.#gone.abort(reason)
    this.#end.reject(reason)
    for (const sync of this.#syncs) sync.resolve()
    this.#found?.reject(reason)
  }
}
