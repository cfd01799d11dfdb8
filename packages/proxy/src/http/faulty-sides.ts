import type { EngineContext } from '../engine-context.ts'
import type { Side } from '../side.ts'
import type { Fault } from './detour.ts'
import type { ExchangePlace } from './exchange-place.ts'
import type { ClientSide, Cut, ServerSide } from './sides.ts'

/** Does to the two sides of an exchange what faults want, and remembers which of them get nothing any more. */
export class FaultySides {
  readonly #engine: EngineContext
  readonly #client: ClientSide
  readonly #place: ExchangePlace
  #deaf: Side | 'both' | undefined
  #lingering: (() => void) | undefined

  constructor(engine: EngineContext, client: ClientSide, place: ExchangePlace) {
    this.#engine = engine
    this.#client = client
    this.#place = place
  }

  /** True once a side gets nothing any more. */
  get any(): boolean {
    return this.#deaf !== undefined
  }

  /** True for a side that gets nothing any more. */
  isDeaf(side: Side): boolean {
    return this.#deaf === side || this.#deaf === 'both'
  }

  /** Ends, or stops, what a fault is about; `server` where upstream was asked already. True if the client was cut off. */
  apply({ how, to }: Fault, server: ServerSide | undefined): boolean {
    if (how === 'stall') {
      this.#deaf = to
      return false
    }
    const cut: Cut = { how: how === 'reset' ? 'rst' : 'half' }
    if (to === 'server') this.#place.spare?.('client')
    if (to !== 'client') {
      this.#deaf = 'server'
      if (server) server.cut(cut)
      else this.#place.cutUpstream?.(cut)
    }
    if (to === 'server') return false
    if (to === 'client' && server) this.linger(server)
    this.#client.cut(cut)
    // Its end is to be seen.
    this.#client.body.stream.resume()
    return true
  }

  /** The client has been cut off, or answered; upstream may come to its end, and is ended then. */
  linger(server: ServerSide): void {
    const { scope, spare, cutUpstream } = this.#place
    spare?.('server')
    this.#lingering = this.#engine.exchanges.linger(scope, () => {
      server.cut({ how: 'fin' })
      cutUpstream?.({ how: 'fin' })
    })
  }

  /** Upstream has come to its end. */
  endLingering(): void {
    this.#lingering?.()
  }
}

/** What a fault is to the journal. */
export function faultText({ how, to, label }: Fault): string {
  return how === 'stall' ? `stalled by ${label}` : `${how}${to === 'both' ? '' : ` for the ${to}`} by ${label}`
}
