import type { LookupFunction } from 'node:net'
import type { CapturedSocket, Peer } from '../capture/captured-socket.ts'
import type { CaptureTarget } from '../capture/inbound.ts'
import { type ChildTls, dialKeys, type FoundAddress, type Opening, type PeerAddress, type ToChild } from '../child/letters.ts'
import { type PortableError, portableError, restoredError } from '../child/portable-error.ts'
import { refused, timedOut, unreachable } from '../io/connect-errors.ts'
import { pickKeys } from '../tls/portable-tls.ts'
import type { ParentAddress } from './parent-address.ts'
import { ParentLanding } from './parent-landing.ts'
import { ParentLink } from './parent-link.ts'

/** Tells the parent of each connection that code of this thread opens, and has it connect to the parent once it may. */
export class ParentTarget implements CaptureTarget {
  readonly landing: ParentLanding
  readonly #link: ParentLink
  readonly #sockets = new Map<number, CapturedSocket>()
  /** It is not known yet how their connects end. */
  readonly #pending = new Set<number>()
  readonly #checks = new Set<string>()
  #last = 0

  constructor(parent: ParentAddress) {
    this.landing = new ParentLanding(parent.landingPort)
    this.#link = new ParentLink(
      parent,
      letter => this.#take(letter),
      () => this.#parentGone(),
    )
  }

  owns(): boolean {
    return true
  }

  open(socket: CapturedSocket): void {
    const id = ++this.#last
    this.#sockets.set(id, socket)
    this.#pending.add(id)
    socket.gone.addEventListener('abort', () => {
      this.#settled(id)
      if (this.#sockets.delete(id)) this.#link.sendIfOpen({ kind: 'gone', id })
    })
    const tls = this.#tlsOf(socket)
    if (!tls) {
      socket.whenTlsBegins(() => {
        const begun = this.#tlsOf(socket)
        if (begun) this.#link.sendIfOpen({ kind: 'tls', id, tls: begun })
      })
    }
    this.#link.send({ kind: 'open', id, ...openingOf(socket), ...(tls && { tls }) })
    // A client that does not keep the process alive must not do so through us; it says so after its call.
    process.nextTick(() => this.#keepAlive())
  }

  #take(letter: ToChild): void {
    const { id } = letter
    const socket = this.#sockets.get(id)
    if (!socket) return
    switch (letter.kind) {
      case 'lookUp':
        return this.#lookUp(id, socket)
      case 'sync':
        return this.#link.send({ kind: 'synced', id })
      case 'step':
        return socket.showStep(letter.step, letter.args.map(restoredArgument))
      case 'attempt':
        return socket.beginAttempt()
      case 'accept':
        return this.#accept(id, socket, letter.peer)
      case 'fail':
        this.#settled(id)
        return socket.fail(restoredError(letter.error))
      case 'failLookup':
        this.#settled(id)
        return socket.failLookup(restoredError(letter.error))
      case 'failAttempts': {
        this.#settled(id)
        const { addresses, begun, error } = letter
        const made = connectErrors[String(error.details['code'])] ?? (() => restoredError(error))
        return socket.failAttempts({ error: made, ...(addresses && { addresses }), ...(begun !== undefined && { begun }) })
      }
    }
  }

  #accept(id: number, socket: CapturedSocket, peer: PeerAddress | undefined): void {
    this.#settled(id)
    const localPort = this.landing.portOf(() => {
      socket.accept(peer && shownPeer(peer)).catch(() => {
        // The client gave up, and 'gone' has been told.
      })
    })
    if (localPort !== undefined) this.#link.send({ kind: 'landing', id, localPort })
  }

  #lookUp(id: number, { dialOptions, destination }: CapturedSocket): void {
    const { lookup, family, hints } = dialOptions
    const settled = (error: Error | null, found: string | readonly FoundAddress[], ofFamily?: number): void => {
      if (error) return this.#link.sendIfOpen({ kind: 'notFound', id, error: portableError(error) })
      const addresses = typeof found === 'string' ? [{ address: found, family: ofFamily ?? 4 }] : found
      this.#link.sendIfOpen({ kind: 'found', id, addresses })
    }
    // Asked as Node asks where it would try several addresses.
    const ask = lookup as LookupFunction
    ask(destination.host, { all: true, ...(family !== undefined && { family }), ...(hints !== undefined && { hints }) }, settled)
  }

  #settled(id: number): void {
    if (this.#pending.delete(id)) this.#keepAlive()
  }

  #keepAlive(): void {
    this.#link.keepsAlive = [...this.#pending].some(id => this.#sockets.get(id)?.keepsProcessAlive)
  }

  /** There is nothing any more that a connection could go through. */
  #parentGone(): void {
    for (const id of this.#pending) this.#sockets.get(id)?.failAttempts({ error: refused })
    this.#pending.clear()
    this.#sockets.clear()
  }

  #tlsOf(socket: CapturedSocket): ChildTls | undefined {
    const options = socket.tls
    if (!options) return undefined
    const { host } = socket.destination
    if (options.hasOwnCheck && !this.#checks.has(host)) {
      this.#checks.add(host)
      process.emitWarning(
        `the checkServerIdentity of the client of ${host} is not asked in a child process: every name of the server's certificate is accepted`,
        { code: 'MIDWIRE_CAPTURE', type: 'MidwireWarning' },
      )
    }
    return { options, obstacle: socket.tlsObstacle()?.message }
  }
}

function openingOf({ destination, dialOptions }: CapturedSocket): Opening {
  return { ...destination, dial: pickKeys(dialOptions, dialKeys), looksUp: dialOptions.lookup !== undefined }
}

/** Those that are made anew for each address that is tried. */
const connectErrors: Readonly<Record<string, (address: string, port: number) => Error>> = {
  ECONNREFUSED: refused,
  ETIMEDOUT: timedOut,
  EHOSTUNREACH: (address, port) => unreachable('EHOSTUNREACH', address, port),
  ENETUNREACH: (address, port) => unreachable('ENETUNREACH', address, port),
}

function restoredArgument(argument: unknown): unknown {
  return typeof argument === 'object' && argument !== null && 'details' in argument ? restoredError(argument as PortableError) : argument
}

function shownPeer({ address, port, family }: PeerAddress): Peer {
  return { remoteAddress: address, remotePort: port, remoteFamily: family, destroy: () => undefined as never }
}
