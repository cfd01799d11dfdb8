import type { Message } from '../message.ts'
import type { Batch, Slot } from './element.ts'

/** A message that waits for its release, and the batch it came in. */
export interface HeldMessage {
  readonly slot: Slot
  readonly batch: Batch
}

/** The messages to one receiver that wait for their release; the handles of their rules know of each. */
export class HeldMessages {
  /** How many of them were taken out of the queue. */
  aside = 0
  readonly #held = new Map<Message, HeldMessage>()

  hold(slot: Slot, batch: Batch): void {
    this.#held.set(slot.message, { slot, batch })
    if (slot.state === 'aside') this.aside++
    slot.run?.hold(slot.message)
  }

  has(message: Message): boolean {
    return this.#held.has(message)
  }

  /** Takes one out: it is held no more. */
  take(message: Message): HeldMessage | undefined {
    const held = this.#held.get(message)
    if (!held) return undefined
    this.#held.delete(message)
    if (held.slot.state === 'aside') this.aside--
    held.slot.run?.unhold(message)
    return held
  }

  /** Takes all of them out, in order of arrival. */
  takeAll(): HeldMessage[] {
    return [...this.#held.keys()].sort((a, b) => a.index - b.index).flatMap(message => this.take(message) ?? [])
  }
}
