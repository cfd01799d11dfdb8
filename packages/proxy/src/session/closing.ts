import { MidwireError } from '../errors.ts'
import { other } from '../side.ts'
import type { Side } from '../side.ts'
import type { Leg } from './leg.ts'
import type { Outbox } from './outbox.ts'

/** 'closing' from the first close frame that was seen or written. */
export type Phase = 'open' | 'closing' | 'closed'

const steps: Record<Phase, readonly Phase[]> = { open: ['closing', 'closed'], closing: ['closed'], closed: [] }

/** What the closing of a connection needs of the session around it. */
export interface ClosingHost {
  readonly now: number
  readonly legs: Readonly<Record<Side, Leg>>
  closeFrame(to: Side, code: number | undefined, reason: string): Buffer
  event(event: SessionEvent): void
  /** Lets everything go that may leave. */
  drain(): void
}

/** What a session itself tells the journal. */
export type SessionEvent =
  | { readonly kind: 'injected'; readonly to: Side; readonly what: string; readonly bytes: Uint8Array; readonly value?: unknown }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'end'; readonly from: Side; readonly how: 'fin' | 'rst' }
  | { readonly kind: 'terminated'; readonly how: 'fin' | 'rst' }

/** How a connection comes to its end: close frames of the peers and of our own, FIN and RST (RFC 6455 §7). */
export class Closing {
  /** When peers are given up that have not answered a close frame of our own. */
  giveUpAt: number | undefined
  readonly #host: ClosingHost
  readonly #outbox: Outbox
  readonly #closeTimeout: number
  #phase: Phase = 'open'

  constructor(host: ClosingHost, outbox: Outbox, closeTimeout: number) {
    this.#host = host
    this.#outbox = outbox
    this.#closeTimeout = closeTimeout
  }

  get phase(): Phase {
    return this.#phase
  }

  get over(): boolean {
    return this.#phase === 'closed'
  }

  get #bothLegs(): readonly Leg[] {
    const { client, server } = this.#host.legs
    return [client, server]
  }

  /** Ends what has waited too long. */
  clock(now: number): void {
    if (this.giveUpAt !== undefined && now >= this.giveUpAt) this.#giveUp()
  }

  /** Queues a close frame of our own; the answer will be swallowed (RFC 6455 §7.1.2). */
  close(side: Side, code: number | undefined, reason: string): void {
    const leg = this.#host.legs[side]
    this.#host.legs[other(side)].lane.settleTail()
    leg.gate.append({ kind: 'close', frame: this.#host.closeFrame(side, code, reason), own: true })
    leg.gate.drain(this.#host.now)
    // Stuck behind a message that may never be completed: that must not keep the connection open for ever.
    if (leg.gate.waitsForBytes) this.giveUpAt ??= this.#host.now + this.#closeTimeout
  }

  /** A close frame was written to a leg. */
  written(leg: Leg, own: boolean): void {
    if (this.#phase === 'open') this.#enter('closing')
    if (!own) return
    this.#host.event({ kind: 'injected', to: leg.side, what: 'close frame', bytes: Buffer.alloc(0) })
    this.giveUpAt ??= this.#host.now + this.#closeTimeout
    if (leg.closeSeen) this.endLeg(leg, 'fin')
  }

  /** A close frame came from a leg; true if it answers one of our own and must not go on. */
  arrived(leg: Leg): boolean {
    leg.closeSeen = true
    // What comes behind its close frame is not read any more (§5.5.1).
    this.#silence(leg, `the ${leg.side} has sent its close frame`)
    if (this.#phase === 'open') this.#enter('closing')
    if (leg.gate.closed !== 'own') {
      if (this.#bothLegs.every(({ closeSeen }) => closeSeen)) {
        for (const { gate } of this.#bothLegs) gate.giveUpHeld()
        this.#host.drain()
      }
      return false
    }
    // §7.1.1: the server side closes TCP first; towards the server we have nothing more to say either
    this.endLeg(leg, 'fin')
    return true
  }

  /** The peer of a leg has ended it. */
  legEnded(leg: Leg, how: 'fin' | 'rst'): void {
    if (leg.inputEnded && how === 'fin') return
    const first = !leg.inputEnded
    leg.inputEnded = true
    this.#silence(leg, `the ${leg.side} has ended its leg`)
    this.#host.event({ kind: 'end', from: leg.side, how })
    if (how === 'rst') {
      leg.outputEnded = true
      leg.gate.gone = true
      leg.gate.discard(`the ${leg.side} has reset the connection`)
    }
    // It has ended without an answer to our close frame: there will be none.
    if (leg.gate.closed === 'own') this.endLeg(leg, 'fin')
    if (first) leg.lane.end(how, this.#host.now)
    else if (how === 'rst' && !this.#host.legs[other(leg.side)].outputEnded) this.endLeg(this.#host.legs[other(leg.side)], 'rst')
    this.#checkOver()
  }

  /** Ends what goes to a leg, after everything written before. */
  endLeg(leg: Leg, how: 'fin' | 'rst'): void {
    if (leg.outputEnded || this.#phase === 'closed') return
    const why = `nothing can follow the end of the ${leg.side}'s leg`
    leg.outputEnded = true
    // What it was asked before a FIN it can still answer.
    leg.silent ??= why
    this.#outbox.push({ kind: 'end', to: leg.side, how })
    leg.gate.gone = true
    leg.gate.discard(why)
    // A reset ends both ways.
    if (how === 'rst') {
      leg.inputEnded = true
      this.#silence(leg, why)
    }
    this.#checkOver()
  }

  #checkOver(): void {
    if (this.#phase !== 'closed' && this.#bothLegs.every(leg => leg.inputEnded && leg.outputEnded)) this.#finish('the connection is over')
  }

  /** The time is over that a peer has to answer. */
  #giveUp(): void {
    this.#host.event({ kind: 'note', text: `no answer to a close frame within ${this.#closeTimeout} ms: the connection is ended` })
    this.terminate('fin', 'the connection was closed')
  }

  /** Ends both legs at once. */
  terminate(how: 'fin' | 'rst', reason: string): void {
    if (this.#phase === 'closed') return
    this.#host.event({ kind: 'terminated', how })
    this.#outbox.push({ kind: 'end', to: 'both', how })
    this.#finish(reason)
  }

  #finish(reason: string): void {
    this.#enter('closed')
    for (const leg of this.#bothLegs) {
      this.#silence(leg, reason)
      leg.gate.gone = true
      leg.gate.discard(reason)
    }
    this.#outbox.push({ kind: 'over' })
  }

  #enter(phase: Phase): void {
    if (!steps[this.#phase].includes(phase))
      throw new MidwireError('MIDWIRE_BAD_USE', `a session cannot go from ${this.#phase} to ${phase}`)
    this.#phase = phase
  }

  /** The side answers no ping any more, also none it has been sent. */
  #silence(leg: Leg, why: string): void {
    leg.silent ??= why
    leg.pings.failAll(why)
  }
}
