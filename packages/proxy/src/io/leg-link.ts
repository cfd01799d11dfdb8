import type { Duplex } from 'node:stream'
import { Link, type RankedFault } from '../fault/link.ts'
import { type Piece, sizeOf } from '../fault/piece.ts'
import { type Clock, realClock, type Timer } from './clock.ts'

/** ms that a leg gets to flush what is written, and its peer to answer a FIN, before it is destroyed. */
const lingerTime = 1000

/** How a leg ends for good, past its link. */
export interface LegEnds {
  readonly raw: Duplex
  reset(): void
  destroy(): void
  /** The network has cut the connection: the other leg must know. */
  cut(how: 'fin' | 'rst'): void
}

type Callback = (error?: Error | null) => void

/** What a stream asks its socket for. */
type Hooks = Pick<Duplex, '_write' | '_final' | 'destroy'> & { readonly _writev: Duplex['_writev'] | undefined }

const hooks = ['_write', '_writev', '_final', 'destroy'] as const

/**
 * Puts a link between a leg's stream and its socket: what is written to the stream, its end included, meets the conditions of the
 * network first. While there are none, the stream is Node's own, untouched.
 */
export class LegLink {
  readonly #stream: Duplex
  readonly #clock: Clock
  readonly #ends: LegEnds
  readonly #link = new Link()
  /** What has left the link and waits for the socket. */
  readonly #ready: Piece[] = []
  #readySize = 0
  #writing = false
  #going = false
  #writeDone: Callback | undefined
  #finalDone: Callback | undefined
  #original: Hooks | undefined
  #isCut = false
  #timer: Timer | undefined
  #linger: Timer | undefined
  #idle: (() => void) | undefined

  constructor(stream: Duplex, clock: Clock, ends: LegEnds) {
    this.#stream = stream
    this.#clock = clock
    this.#ends = ends
  }

  /** True while ends must keep their place behind what is on its way. */
  get isLive(): boolean {
    return this.#original !== undefined && !this.#isCut && !this.#stream.destroyed
  }

  /** True once it was ended at once, by the network. */
  get isCut(): boolean {
    return this.#isCut
  }

  /** True while conditions slow it: its sender is to be stopped early. */
  get isSlow(): boolean {
    return this.isLive && !this.#link.clear
  }

  /** Bytes that wait here. */
  get size(): number {
    return this.#link.size + this.#readySize
  }

  /** Gives `owner` these faults instead of those it had; none takes them away, and what waited for them goes on. */
  set(owner: object, faults: readonly RankedFault[]): void {
    if (this.#isCut || this.#stream.destroyed) return
    if (faults.length > 0) this.#hook()
    this.#take(this.#link.set(owner, faults, this.#clock.now()))
  }

  /** The leg's owner, or its peer's, ended: behind what is on its way. */
  end(how: 'rst' | 'gone'): void {
    this.#take(this.#link.push({ kind: 'end', how }, this.#clock.now()))
  }

  /** Ends at once; what is on its way is lost, and what is still written is swallowed. */
  cut(how: 'fin' | 'rst'): void {
    if (this.#isCut || this.#stream.destroyed) return
    this.#hook()
    this.#isCut = true
    this.#discard()
    this.#settle()
    this.#finalDone?.()
    if (how === 'rst') return this.#ends.reset()
    // A FIN of TCP alone: a network that goes away says nothing of TLS before it.
    if (this.#ends.raw === this.#stream) this.#originally('_final')(() => {})
    else this.#ends.raw.end()
    // What the peer still sends is read and thrown away, so that it sees our FIN and not an RST.
    this.#stream.resume()
    this.#linger = realClock.after(lingerTime, () => this.#ends.destroy())
  }

  /** Throws away what is on its way, but for the end that its sender has come to. */
  drop(): void {
    this.#link.drop()
    this.#ready.length = 0
    this.#readySize = 0
    if (this.#finalDone) this.#ready.push({ kind: 'end', how: 'fin' })
    this.#go()
  }

  /** Resolves once the socket has taken what left the link, or is gone. */
  flushed(): Promise<void> {
    if (!this.#writing && this.#ready.length === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#idle = resolve
    })
  }

  #hook(): void {
    if (this.#original) return
    const stream = this.#stream
    const { _write, _writev, _final, destroy } = stream
    this.#original = { _write, _writev, _final, destroy }
    const own: Hooks = {
      _write: (chunk: Buffer | string, encoding, done) => this.#write([{ chunk, encoding }], done),
      _writev: (chunks, done) => this.#write(chunks, done),
      _final: done => this.#final(done),
      destroy: error => this.#destroy(error),
    }
    for (const name of hooks) Object.defineProperty(stream, name, { configurable: true, writable: true, value: own[name] })
    stream.once('close', this.#closed)
  }

  #unhook(): void {
    for (const name of hooks) Reflect.deleteProperty(this.#stream, name)
    this.#stream.off('close', this.#closed)
    this.#original = undefined
  }

  #write(chunks: readonly { chunk: Buffer | string; encoding: BufferEncoding }[], done: Callback): void {
    if (this.#isCut) return done()
    this.#writeDone = done
    const out: Piece[] = []
    for (const { chunk, encoding } of chunks) {
      const bytes = typeof chunk === 'string' ? Buffer.from(chunk, encoding) : chunk
      out.push(...this.#link.push({ kind: 'bytes', bytes }, this.#clock.now()))
    }
    this.#take(out)
  }

  #final(done: Callback): void {
    if (this.#isCut) return done()
    this.#finalDone = done
    this.#take(this.#link.push({ kind: 'end', how: 'fin' }, this.#clock.now()))
  }

  #destroy(error: Error | undefined): Duplex {
    // An error is the socket's own, or says that nobody will read on: there is nothing to be kept in order.
    if (error || !this.isLive || this.#ends.raw.destroyed || (this.#link.clear && this.size === 0)) this.#originally('destroy')(error)
    else this.end('gone')
    return this.#stream
  }

  #take(pieces: readonly Piece[]): void {
    for (const piece of pieces) {
      this.#ready.push(piece)
      this.#readySize += sizeOf(piece)
    }
    this.#go()
  }

  /** Hands on what has left the link, one write at a time. */
  #go(): void {
    // A socket that takes bytes at once says so in the same turn.
    if (this.#going) return
    this.#going = true
    while (!this.#writing && !this.#isCut) {
      const piece = this.#ready.shift()
      if (!piece) break
      this.#readySize -= sizeOf(piece)
      this.#hand(piece)
    }
    this.#going = false
    if (this.#isCut || this.#stream.destroyed) return
    if (this.size <= this.#link.window) this.#settle()
    this.#rouse()
    if (this.#writing || this.#ready.length > 0) return
    this.#idle?.()
    if (this.#link.clear && this.#original && !this.#writeDone && !this.#finalDone) this.#unhook()
  }

  #hand(piece: Piece): void {
    switch (piece.kind) {
      case 'bytes':
        this.#writing = true
        return this.#originally('_write')(piece.bytes, 'buffer' as BufferEncoding, error => {
          this.#writing = false
          if (error) this.#originally('destroy')(error)
          else this.#go()
        })
      case 'end':
        if (piece.how !== 'fin') return this.#endForGood(piece.how)
        return this.#originally('_final')(error => {
          const done = this.#finalDone
          this.#finalDone = undefined
          done?.(error)
          this.#go()
        })
      case 'cut':
        this.cut(piece.how)
        return this.#ends.cut(piece.how)
    }
  }

  #endForGood(how: 'rst' | 'gone'): void {
    if (this.#original) this.#unhook()
    if (how === 'rst') this.#ends.reset()
    else this.#ends.destroy()
  }

  /** Whoever writes may write on. */
  #settle(): void {
    const done = this.#writeDone
    this.#writeDone = undefined
    done?.()
  }

  #rouse(): void {
    this.#clock.cancel(this.#timer)
    const at = this.#link.wakeAt()
    if (at === undefined) return
    const now = this.#clock.now()
    this.#timer = this.#clock.after(Math.max(0, at - now), () => this.#take(this.#link.advance(this.#clock.now())))
  }

  readonly #closed = (): void => {
    realClock.cancel(this.#linger)
    this.#discard()
  }

  #discard(): void {
    this.#clock.cancel(this.#timer)
    this.#link.discard()
    this.#ready.length = 0
    this.#readySize = 0
    this.#idle?.()
  }

  #originally<K extends '_write' | '_final' | 'destroy'>(name: K): Duplex[K] {
    const own = this.#original?.[name] ?? this.#stream[name]
    return own.bind(this.#stream) as Duplex[K]
  }
}
