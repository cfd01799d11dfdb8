import type { Fault } from './fault.ts'
import { type Head, type Piece, sizeOf } from './piece.ts'

/** Bytes that wait on a link before its sender is made to wait; of a slow link, about what is on its way at any time. */
const window = { least: 16 * 1024, most: 1024 * 1024, seconds: 0.1 }

/** One fault of a set, with the pieces that wait for it. */
interface Stage {
  readonly owner: object
  readonly rank: number
  /** What the fault was made of: while this stays, so does the fault, and what it has counted. */
  readonly made: string
  readonly fault: Fault
  readonly queue: Head[]
  last: number
}

/** A fault with its place among those of its owner. */
export interface RankedFault {
  readonly rank: number
  readonly made: string
  readonly make: () => Fault
}

/**
 * One direction of one connection: pieces go in with the time of their arrival, and come out when every fault has let them. Order is
 * always kept. Time comes in as `at`, in ms since the proxy started, and never goes back.
 */
export class Link {
  /** The way of a piece: out of one queue into the next. */
  #stages: Stage[] = []
  #over = false
  #size = 0

  /** Bytes that wait. */
  get size(): number {
    return this.#size
  }

  /** True while nothing waits and nothing could make anything wait. */
  get clear(): boolean {
    return this.#stages.length === 0
  }

  /** True while nothing waits. */
  get empty(): boolean {
    return this.#stages.every(({ queue }) => queue.length === 0)
  }

  /** Bytes that may wait before the sender is made to wait. */
  get window(): number {
    const rate = Math.min(...this.#stages.map(({ fault }) => fault.rate ?? Infinity))
    if (rate === Infinity) return window.most
    const delay = this.#stages.reduce((sum, { fault }) => sum + (fault.delay ?? 0), 0)
    return Math.min(window.most, Math.max(window.least, rate * (window.seconds + delay / 1000)))
  }

  /** Gives `owner` these faults in place of those it had; those that stay as they were keep what they have counted. */
  set(owner: object, faults: readonly RankedFault[], at: number): Piece[] {
    const out = this.advance(at)
    for (const stage of this.#stages.filter(one => one.owner === owner)) {
      if (!faults.some(({ rank }) => rank === stage.rank)) out.push(...this.#takeOut(stage, at))
    }
    for (const { rank, made, make } of faults) {
      const index = this.#stages.findIndex(stage => stage.owner === owner && stage.rank === rank)
      const before = this.#stages[index]
      if (!before) this.#stages.splice(this.#placeFor(owner, rank), 0, { owner, rank, made, fault: make(), queue: [], last: 0 })
      else if (before.made !== made) this.#stages[index] = { ...before, made, fault: make() }
    }
    return [...out, ...this.advance(at)]
  }

  /** Takes the faults of `owner` away: what waited for them goes on. */
  remove(owner: object, at: number): Piece[] {
    return this.set(owner, [], at)
  }

  push(piece: Piece, at: number): Piece[] {
    const first = this.#stages[0]
    if (this.#over) return []
    if (!first) return [piece]
    first.queue.push({ piece, arrived: at })
    this.#size += sizeOf(piece)
    return this.advance(at)
  }

  /** What comes out until `now`. Behind a 'cut' nothing comes out any more. */
  advance(now: number): Piece[] {
    if (this.#over) return []
    const resetAt = Math.min(...this.#stages.map(({ fault }) => fault.resetAt ?? Infinity))
    const out: Piece[] = []
    for (let index = 0; index < this.#stages.length; index++) this.#run(index, Math.min(now, resetAt), now, out)
    if (resetAt <= now && !this.#over) {
      out.push({ kind: 'cut', how: 'rst' })
      this.discard()
    }
    return out
  }

  /** When `advance` should be called again; `undefined`: not before something else happens. */
  wakeAt(): number | undefined {
    if (this.#over) return undefined
    let earliest = Infinity
    for (const { fault, queue, last } of this.#stages) {
      earliest = Math.min(earliest, fault.resetAt ?? Infinity)
      if (queue[0]) earliest = Math.min(earliest, Math.max(last, fault.next(queue[0], last).at))
    }
    return earliest === Infinity ? undefined : earliest
  }

  /** Throws away what waits, and what will come. */
  discard(): void {
    this.#over = true
    this.drop()
  }

  /** Throws away what waits. */
  drop(): void {
    this.#size = 0
    for (const { queue } of this.#stages) queue.length = 0
  }

  /** Lets the heads of one queue go on whose time has come. */
  #run(index: number, until: number, now: number, out: Piece[]): void {
    const stage = this.#stages[index]
    if (!stage) return
    for (let head = stage.queue[0]; head; head = stage.queue[0]) {
      const { at, size = Infinity, cut } = stage.fault.next(head, stage.last)
      // A fault that has changed may name a time that is over by now; order and the clock never go back.
      const leaves = Math.max(at, stage.last, head.arrived)
      if (leaves > until) return
      const { piece } = head
      const whole = piece.kind !== 'bytes' || size >= piece.bytes.length
      const leaving: Piece = whole ? piece : { kind: 'bytes', bytes: piece.bytes.subarray(0, size) }
      if (whole) stage.queue.shift()
      else stage.queue[0] = { piece: { kind: 'bytes', bytes: piece.bytes.subarray(size) }, arrived: head.arrived }
      stage.last = leaves
      stage.fault.left?.(sizeOf(leaving), now)
      this.#hand(index + 1, leaving, leaves, out)
      if (cut) this.#hand(index + 1, { kind: 'cut', how: cut }, leaves, out)
      if (this.#over) return
    }
  }

  #hand(index: number, piece: Piece, arrived: number, out: Piece[]): void {
    const next = this.#stages[index]
    if (next) return void next.queue.push({ piece, arrived })
    this.#size -= sizeOf(piece)
    out.push(piece)
    if (piece.kind === 'cut') this.discard()
  }

  #takeOut(stage: Stage, at: number): Piece[] {
    const index = this.#stages.indexOf(stage)
    this.#stages.splice(index, 1)
    const out: Piece[] = []
    for (const { piece } of stage.queue) this.#hand(index, piece, at, out)
    return out
  }

  /** Among those of its owner by rank; a new owner's come last, where what is on its way has still to pass. */
  #placeFor(owner: object, rank: number): number {
    const behind = this.#stages.findIndex(stage => stage.owner === owner && stage.rank > rank)
    if (behind >= 0) return behind
    const lastOwn = this.#stages.findLastIndex(stage => stage.owner === owner)
    return lastOwn >= 0 ? lastOwn + 1 : this.#stages.length
  }
}
