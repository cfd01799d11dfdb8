/** Tells what became of a fence; `problem`: why its pong will never come. */
export type Fenced = (id: number, problem: string | undefined) => void

interface Ping {
  readonly payload: string
  /** The fence it stands for. */
  readonly fence: number | undefined
}

/** The pings of our own to one side whose pongs are awaited, in the order of sending. */
export class OwnPings {
  readonly #fenced: Fenced
  #awaited: Ping[] = []

  constructor(fenced: Fenced) {
    this.#fenced = fenced
  }

  get none(): boolean {
    return this.#awaited.length === 0
  }

  add(payload: Uint8Array, fence: number | undefined): void {
    this.#awaited.push({ payload: Buffer.from(payload).toString('latin1'), fence })
  }

  /** True if the pong answers one of these, and with it those before it: a peer need answer the most recent ping only (RFC 6455 §5.5.3). */
  answeredBy(pong: Uint8Array): boolean {
    const payload = Buffer.from(pong).toString('latin1')
    const place = this.#awaited.findIndex(ping => ping.payload === payload)
    if (place < 0) return false
    for (const { fence } of this.#awaited.splice(0, place + 1)) if (fence !== undefined) this.#fenced(fence, undefined)
    return true
  }

  /** A fence that could not be written. */
  fail(id: number, problem: string): void {
    const place = this.#awaited.findIndex(({ fence }) => fence === id)
    if (place < 0) return
    this.#awaited.splice(place, 1)
    this.#fenced(id, problem)
  }

  /** No pong will come any more. */
  failAll(problem: string): void {
    for (const { fence } of this.#awaited.splice(0)) if (fence !== undefined) this.#fenced(fence, problem)
  }
}
