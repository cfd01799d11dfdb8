import type { RunningExchange } from './exchange.ts'

/** The exchanges of one connection. HTTP/1 answers in the order of asking (RFC 9112 §9.3.2): one has its turn when the one before is over. */
export class Pipeline {
  readonly #waiting: RunningExchange[] = []
  #current: RunningExchange | undefined
  #open = 0

  /** True if nothing is under way. */
  get isEmpty(): boolean {
    return this.#open === 0
  }

  /** The one that has its turn, or had it last. */
  get current(): RunningExchange | undefined {
    return this.#current
  }

  /** The one behind which nothing has been asked yet. */
  get last(): RunningExchange | undefined {
    return this.#waiting.at(-1) ?? (this.isEmpty ? undefined : this.#current)
  }

  add(exchange: RunningExchange): void {
    this.#open++
    if (this.#open === 1) this.begin(exchange)
    else this.#waiting.push(exchange)
  }

  begin(exchange: RunningExchange): void {
    this.#current = exchange
    exchange.start()
  }

  /** One is over, whether it has had its turn or not. */
  over(): void {
    this.#open--
  }

  /** Takes the next one out, to be begun or abandoned. */
  takeNext(): RunningExchange | undefined {
    return this.#waiting.shift()
  }

  abandonWaiting(failure: string): void {
    for (const exchange of this.#waiting.splice(0)) exchange.abandon(failure)
  }
}
