import { originalPayload } from '../rule/payload.ts'
import type { Payload } from '../rule/payload.ts'
import type { Batch, Slot } from './element.ts'
import type { Gate, GateHost, Progress } from './gate.ts'
import type { HeldMessages } from './held-messages.ts'
import type { Outbox } from './outbox.ts'

/** Carries out what was decided about the messages of a batch at the head of its gate's queue. */
export class BatchWriter {
  readonly #gate: Gate
  readonly #host: GateHost
  readonly #outbox: Outbox
  readonly #held: HeldMessages

  constructor(gate: Gate, host: GateHost, outbox: Outbox, held: HeldMessages) {
    this.#gate = gate
    this.#host = host
    this.#outbox = outbox
    this.#held = held
  }

  /** Writes the batch as far as it may go: untouched in the frames it came in, else in frames of our own. */
  carry(batch: Batch, now: number): Progress {
    const { slots } = batch
    const blocking = slots.findIndex((slot, i) => i >= batch.next && !this.#isReady(slot, now))
    const touched = slots.some(
      (slot, i) => isTouched(slot) || (slot.then.length > 0 && (i < slots.length - 1 || batch.leftover !== undefined)),
    )
    if (!batch.split && !touched && blocking < 0) {
      if (!batch.complete) return 'short'
      batch.done.write(this.#gate.to, this.#outbox)
      for (const { message } of slots) message.passed()
      this.#gate.weigh(-batch.weight)
      const last = slots[slots.length - 1]
      if (last && last.then.length > 0) this.#host.carryOut(this.#gate, last)
      return 'gone'
    }
    const first = slots[blocking]
    if (first?.state === 'delayed') this.#gate.due = first.due
    // Alone in front of it, a message that is only undecided may yet leave in its own frames, together with the others.
    if (!batch.split && (blocking === batch.next || (!touched && first?.state === 'undecided'))) return 'stalled'
    batch.split = true
    batch.done.writeControl(this.#gate.to, this.#outbox)
    this.#carrySlots(batch, blocking < 0 ? slots.length : blocking)
    if (blocking >= 0) return 'stalled'
    if (!batch.complete) return 'short'
    if (batch.leftover && this.#gate.closed === undefined && !this.#gate.gone) this.#writeFrame(batch.leftover, batch.compressed)
    this.#gate.weigh(slots.reduce((sum, slot) => sum + (this.#isAside(slot) ? slot.own.length : 0), -batch.weight))
    return 'gone'
  }

  /** Carries out the slots before `end`; neighbours of one type leave together. */
  #carrySlots(batch: Batch, end: number): void {
    let run: Slot[] = []
    const flush = (): void => {
      if (run.length > 0) this.#writeRun(run, batch.compressed)
      run = []
    }
    while (batch.next < end) {
      const slot = batch.slots[batch.next++]!
      if (slot.state === 'aside') continue
      if (this.#gate.closed !== undefined || this.#gate.gone || this.#host.over) {
        slot.message.settle(undefined)
        continue
      }
      if (slot.state === 'dropped') slot.message.settle(undefined)
      else if (slot.broken) {
        flush()
        this.#host.breakMessage(this.#gate, slot, slot.broken)
      } else {
        if (run[0] && (isBinary(run[0]) !== isBinary(slot) || standsAlone(run[0]) || standsAlone(slot))) flush()
        run.push(slot)
      }
      if (slot.then.length > 0) {
        flush()
        this.#host.carryOut(this.#gate, slot)
      }
    }
    flush()
  }

  #writeRun(run: readonly Slot[], compressed: boolean): void {
    const [first] = run
    const alone = run.length === 1 && first ? payloadOf(first) : undefined
    if (alone?.parts) this.#writeFrame(alone, compressed)
    else {
      const bytes = this.#host.pack(
        run.map(slot => slot.payload?.bytes ?? slot.own),
        run[0]!.message,
      )
      this.#writeFrame({ bytes, binary: isBinary(run[0]!) }, compressed)
    }
    for (const { message, payload } of run) {
      if (payload) message.settle(payload.bytes)
      else message.passed()
    }
  }

  #writeFrame(payload: Payload, compressed: boolean): void {
    const frame = this.#host.frame(this.#gate.to, payload, compressed)
    this.#outbox.range(this.#gate.to, frame, 0, frame.length)
  }

  #isReady(slot: Slot, now: number): boolean {
    switch (slot.state) {
      case 'undecided':
      case 'held':
        return false
      case 'delayed':
        return slot.due <= now
      case 'ready':
      case 'dropped':
      case 'aside':
        return true
    }
  }

  #isAside(slot: Slot): boolean {
    return slot.state === 'aside' && this.#held.has(slot.message)
  }
}

function isTouched(slot: Slot): boolean {
  return slot.payload !== undefined || slot.broken !== undefined || slot.state === 'dropped' || slot.state === 'aside'
}

/** What it leaves as: what a rule has put in its place, or itself. */
export function payloadOf({ payload, own, message }: Slot): Payload {
  return payload ?? originalPayload(own, message.binary, message.frames)
}

/** No other message may share its frames. */
function standsAlone({ payload, message }: Slot): boolean {
  return (payload ? payload.parts : message.frames) !== undefined
}

function isBinary(slot: Slot): boolean {
  return slot.payload?.binary ?? slot.message.binary
}
