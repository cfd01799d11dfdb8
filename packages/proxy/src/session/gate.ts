import type { Message } from '../message.ts'
import type { Payload } from '../rule/payload.ts'
import type { ControlFrame, ControlRule } from '../rule/rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import type { Corruption } from '../rule/verdict.ts'
import type { Side } from '../side.ts'
import { BatchWriter } from './batch-writer.ts'
import { Batch, isFresh } from './element.ts'
import type { Stretch } from './element.ts'
import type { Element, Pause, Slot } from './element.ts'
import { HeldMessages } from './held-messages.ts'
import type { HeldMessage } from './held-messages.ts'
import type { Outbox } from './outbox.ts'
import { Overtakers } from './overtakers.ts'

/** What a gate needs of the session around it. */
export interface GateHost {
  /** True once the connection is over: nothing more is written. */
  readonly over: boolean
  /** A whole message as one frame for `to`, compressed and masked as that takes. */
  frame(to: Side, payload: Payload, compressed: boolean): Buffer
  /** Messages of one direction as one payload; `like` is one of them. */
  pack(messages: readonly Uint8Array[], like: Message): Uint8Array
  /** Does what rules want done right after a message, at a message boundary of `gate`. */
  carryOut(gate: Gate, slot: Slot): void
  /** Writes a message broken in this way, at a message boundary of `gate`. */
  breakMessage(gate: Gate, slot: Slot, how: Corruption): void
  /** A fence for `to` cannot be written. */
  fenceFailed(to: Side, id: number, problem: string): void
  closeWritten(gate: Gate, own: boolean): void
  endReached(gate: Gate, how: 'fin' | 'rst'): void
  injected(to: Side, what: string, payload: Payload): void
  note(text: string): void
}

/** 'gone': carried out · 'short': the rest of it has not arrived · 'stalled': a rule or a decision holds it up. */
export type Progress = 'gone' | 'short' | 'stalled'

/** The queue of one direction: what leaves, leaves in order of arrival, when what was decided allows it. */
export class Gate {
  readonly to: Side
  /** Who has had the last word to this receiver: after a close frame Midwire itself writes nothing. */
  closed: 'peer' | 'own' | undefined
  /** The receiver's leg is over: what comes for it is discarded. */
  gone = false
  /** What was written last ends in the middle of a message: nothing of our own can follow. */
  #torn = false
  /** When the head's delay ends. */
  due: number | undefined
  readonly #host: GateHost
  readonly #outbox: Outbox
  #queue: Element[] = []
  readonly #held = new HeldMessages()
  readonly #overtakers = new Overtakers()
  readonly #batches: BatchWriter
  #weight = 0
  #stalled = false
  #draining = false

  constructor(to: Side, host: GateHost, outbox: Outbox) {
    this.to = to
    this.#host = host
    this.#outbox = outbox
    this.#batches = new BatchWriter(this, host, outbox, this.#held)
  }

  /** True if what arrives may be written at once, and nothing has to know where it ends. */
  get idle(): boolean {
    return this.#queue.length === 0 && this.#overtakers.none && this.closed === undefined && !this.gone
  }

  /** True if nothing is on its way. */
  get #empty(): boolean {
    return this.#queue.length === 0 && this.#overtakers.none
  }

  /** Bytes that wait here because a rule or a decision holds something up. */
  get waiting(): number {
    return this.#stalled || this.#held.aside > 0 ? this.#weight : 0
  }

  /** True if the head is still arriving, and only that keeps the queue. */
  get waitsForBytes(): boolean {
    return this.#queue.length > 0 && !this.#stalled
  }

  /** Writes at once; only while `idle`. */
  pass(bytes: Buffer, start: number, end: number): void {
    this.#outbox.range(this.to, bytes, start, end)
  }

  /** Writes a ping or pong, which overtakes what waits (RFC 6455 §5.5.2); the caller stands between two frames. */
  control(bytes: Buffer, start: number, end: number): void {
    // Among themselves they keep their order.
    this.overtake()
    if (this.closed === undefined && !this.gone) this.#outbox.range(this.to, bytes, start, end)
  }

  /** Pings and pongs between the fragments of a message that has to wait go ahead of it. */
  overtake(): void {
    if (this.closed !== undefined || this.gone) return
    for (const element of this.#queue) {
      if (element.kind !== 'batch') continue
      element.done.writeControl(this.to, this.#outbox)
      element.open.writeControl(this.to, this.#outbox)
    }
  }

  push(element: Element): void {
    this.#queue.push(element)
  }

  /** Puts something of our own at the tail: behind every message that has arrived. */
  append(element: Element): void {
    this.#insert(element, isFresh)
  }

  /** Counts bytes that were added to an element of the queue. */
  weigh(bytes: number): void {
    this.#weight += bytes
  }

  /** Puts `next` right behind an element of the queue. */
  follow(element: Batch | Stretch, next: Batch | Stretch): void {
    this.#queue.splice(this.#queue.indexOf(element) + 1, 0, next)
  }

  /** Keeps a ping or pong back until `due`. */
  park(frame: ControlFrame, bytes: Buffer, run: RuleRun<ControlRule>, due: number): void {
    if (this.closed === undefined && !this.gone) this.#overtakers.park(frame, bytes, run, due)
  }

  /** Lets a ping, pong or close frame go that a rule keeps back. */
  releaseFrame(frame: ControlFrame): void {
    if (this.#overtakers.parked.release(frame)) return
    for (const element of this.#queue) if (element.kind === 'close' && element.pause?.frame === frame) unpause(element.pause)
  }

  /** Writes a ping of our own at the next frame boundary, overtaking what waits. */
  ping(frame: Buffer): void {
    this.#overtakers.ping(frame)
  }

  /** The receiver is closing the connection: what rules hold for it will not be delivered, and the close need not wait for it. */
  giveUpHeld(): void {
    const held = this.#held.takeAll()
    for (const { slot, batch } of held) {
      if (slot.state === 'aside') {
        if (!this.#queue.includes(batch)) this.#weight -= slot.own.length
        slot.message.settle(undefined)
      } else slot.state = 'dropped'
    }
    if (held.length > 0)
      this.#host.note(`${counted(held.length)} to the ${this.to} discarded, held when both sides were closing the connection`)
  }

  /** Writes a message of our own at the next message boundary, overtaking what waits. */
  urgent(frame: Buffer, payload: Payload): void {
    this.#overtakers.message(frame, payload)
  }

  /** Writes a message of our own here and now; the caller stands at a message boundary. */
  inject(frame: Buffer, payload: Payload): void {
    const obstacle = this.#obstacle()
    if (obstacle) return this.#host.note(`a message to the ${this.to} was not sent: ${obstacle}`)
    this.#outbox.range(this.to, frame, 0, frame.length)
    this.#host.injected(this.to, payload.binary ? 'binary message' : 'text message', payload)
  }

  /** Writes a close frame of our own here and now, unless one has gone before; what waits is discarded. */
  closeNow(frame: Buffer): void {
    if (this.#obstacle()) return
    this.#outbox.range(this.to, frame, 0, frame.length)
    this.closed = 'own'
    this.#host.closeWritten(this, true)
  }

  /** Remembers a slot until its release. */
  hold(slot: Slot, batch: Batch): void {
    this.#held.hold(slot, batch)
  }

  /** Lets a held message go; false if it is not held here. */
  release(message: Message): boolean {
    const held = this.#held.take(message)
    if (held) this.#letGo(held)
    return held !== undefined
  }

  /** Lets everything go that is held or set aside, in order of arrival. */
  releaseAll(): void {
    this.#overtakers.parked.releaseAll()
    for (const element of this.#queue) if (element.kind === 'close' && element.pause) unpause(element.pause)
    for (const held of this.#held.takeAll()) this.#letGo(held)
  }

  /** Writes what may leave. */
  drain(now: number): void {
    // A follow-up can come back here while its message is being carried out: what it may add is seen by the outer round.
    if (this.#draining) return
    this.due = undefined
    this.#stalled = false
    if (this.#empty) return
    this.#draining = true
    while (!this.#host.over) {
      if (!this.#overtakers.none) this.#writeOvertakers(now)
      const head = this.#queue[0]
      if (!head) break
      const progress = this.#carry(head, now)
      if (this.#host.over) break
      if (progress === 'gone') {
        this.#queue.shift()
        continue
      }
      this.#stalled = progress === 'stalled'
      // It may have come to the end of a frame.
      if (!this.#overtakers.none) this.#writeOvertakers(now)
      break
    }
    const parked = this.#overtakers.parked.dueAfter(now)
    if (parked !== undefined && (this.due === undefined || parked < this.due)) this.due = parked
    this.#draining = false
  }

  /** Gives up what waits. */
  discard(reason: string): void {
    let messages = this.#overtakers.discard()
    const drop = ({ message }: Slot): void => {
      if (message.isDone) return
      messages++
      message.settle(undefined)
    }
    for (const { slot } of this.#held.takeAll()) drop(slot)
    for (const element of this.#queue.splice(0)) {
      if (element.kind === 'batch') for (const slot of element.slots) drop(slot)
      else if (element.kind === 'stretch') for (const message of element.messages) message.settle(undefined)
      else if (element.kind === 'injected') messages++
      else if (element.kind === 'fence') this.#host.fenceFailed(this.to, element.id, reason)
      else if (element.kind === 'close' && element.pause) unpause(element.pause)
    }
    this.#weight = 0
    this.#stalled = false
    this.due = undefined
    if (messages > 0) this.#host.note(`${counted(messages)} to the ${this.to} discarded: ${reason}`)
  }

  /** Why nothing of our own can be written any more, if it cannot. */
  #obstacle(): string | undefined {
    if (this.gone) return 'its leg has ended'
    if (this.closed !== undefined) return 'the close frame had gone before'
    return this.#torn ? 'the message before it was never completed' : undefined
  }

  #carry(head: Element, now: number): Progress {
    switch (head.kind) {
      case 'stretch':
        return this.#carryStretch(head)
      case 'batch':
        return this.closed || this.gone || this.#torn ? this.#refuse(head) : this.#batches.carry(head, now)
      case 'injected':
        this.inject(head.frame, head.payload)
        return 'gone'
      case 'close':
        if (this.#held.aside > 0) return 'stalled'
        if (head.pause && head.pause.until > now) {
          if (head.pause.until !== Infinity) this.due = head.pause.until
          return 'stalled'
        }
        return this.#carryClose(head)
      case 'fence': {
        const obstacle = this.#obstacle()
        if (obstacle) this.#host.fenceFailed(this.to, head.id, obstacle)
        else this.#outbox.range(this.to, head.frame, 0, head.frame.length)
        return 'gone'
      }
      case 'mark':
        this.#outbox.push({ kind: 'mark', to: this.to, id: head.id })
        return 'gone'
      case 'end':
        if (this.#held.aside > 0 && this.closed !== 'own' && !this.gone) return 'stalled'
        this.#queue.length = 1
        this.#host.endReached(this, head.how)
        return 'gone'
    }
  }

  #carryStretch(stretch: Stretch): Progress {
    // Nothing can follow it: what was set aside goes first.
    if (stretch.torn && !stretch.begun && this.#held.aside > 0) return 'stalled'
    const writable = this.closed !== 'own' && !this.gone
    if (writable) {
      stretch.begun ||= !stretch.pieces.empty
      stretch.pieces.write(this.to, this.#outbox)
      stretch.writtenWhole = stretch.arrivedWhole
    }
    this.#weight -= stretch.weight
    stretch.weight = 0
    for (const message of stretch.messages.splice(0)) {
      if (writable) message.passed()
      else message.settle(undefined)
    }
    if (!stretch.done) return 'short'
    this.#torn ||= stretch.torn
    return 'gone'
  }

  #carryClose({ frame, own }: Extract<Element, { kind: 'close' }>): Progress {
    if (own ? this.#obstacle() !== undefined : this.closed !== undefined || this.gone) return 'gone'
    this.#outbox.range(this.to, frame, 0, frame.length)
    this.closed = own ? 'own' : 'peer'
    this.#host.closeWritten(this, own)
    return 'gone'
  }

  /** Nothing that is not there yet can be written to this receiver. */
  #refuse(batch: Batch): Progress {
    for (const slot of batch.slots) {
      if (slot.state === 'aside' || slot.message.isDone) continue
      this.#held.take(slot.message)
      slot.message.settle(undefined)
      if (this.#torn) this.#host.note(`a message to the ${this.to} was discarded: the message before it was never completed`)
    }
    if (!batch.complete) return 'short'
    this.#weight -= batch.weight
    return 'gone'
  }

  /** Pings and pongs may stand between any two frames, messages of our own only between two messages. */
  #writeOvertakers(now: number): void {
    const head = this.#queue[0]
    const inMessage = head?.kind === 'stretch' && head.begun
    if (inMessage && !head.writtenWhole) return
    const controls = this.#overtakers.takeControls(now)
    if (!this.#obstacle()) for (const frame of controls) this.#outbox.range(this.to, frame, 0, frame.length)
    if (inMessage || (head?.kind === 'batch' && head.continues && head.next === 0)) return
    for (const { frame, payload } of this.#overtakers.takeMessages()) this.inject(frame, payload)
  }

  #letGo({ slot, batch }: HeldMessage): void {
    if (slot.state === 'held') slot.state = 'ready'
    else this.#putBack(slot, batch)
  }

  /** Puts a message that was set aside at the tail: behind all messages, before a close frame or an end. */
  #putBack(slot: Slot, from: Batch): void {
    const batch = new Batch(from.compressed, false)
    batch.complete = true
    batch.slots.push({ ...slot, state: 'ready' })
    if (from.complete && !from.leftover && from.slots.length === 1) batch.done.take(from.done)
    else batch.split = true
    const stillQueued = this.#queue.includes(from)
    batch.weight = slot.own.length
    if (stillQueued) this.#weight += batch.weight
    this.#insert(batch, element => isFresh(element) || isLast(element))
  }

  #insert(element: Element, before: (next: Element) => boolean): void {
    const at = this.#queue.findIndex(before)
    if (at < 0) this.#queue.push(element)
    else this.#queue.splice(at, 0, element)
  }
}

/** Nothing that comes back from being set aside may stand behind it. */
function isLast(element: Element): boolean {
  return element.kind === 'close' || element.kind === 'end' || (element.kind === 'stretch' && element.torn && !element.begun)
}

function counted(messages: number): string {
  return `${messages} ${messages === 1 ? 'message' : 'messages'}`
}

function unpause(pause: Pause): void {
  pause.until = 0
  pause.run.unholdFrame(pause.frame)
}
