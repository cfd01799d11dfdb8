import type { Connection } from '../connection.ts'
import { Arrivals } from '../journal/arrivals.ts'
import { JournalledMessage } from '../journal/journalled-message.ts'
import type { Track } from '../journal/track.ts'
import { judge, undisturbed } from '../rule/judge.ts'
import type { Court, Decision } from '../rule/judge.ts'
import type { Payload } from '../rule/payload.ts'
import type { MessageRule } from '../rule/rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import type { RuleSet } from '../rule/rule-set.ts'
import { pass } from '../rule/verdict.ts'
import type { Verdict } from '../rule/verdict.ts'
import type { Side } from '../side.ts'
import { isControl, Opcode } from '../ws/frame.ts'
import { FrameCursor } from '../ws/frame-cursor.ts'
import { FrameReader } from '../ws/frame-reader.ts'
import { ControlLane } from './control-lane.ts'
import type { ControlHost } from './control-lane.ts'
import { Batch, Stretch } from './element.ts'
import type { Slot } from './element.ts'
import type { Gate } from './gate.ts'

/** What a lane needs of the session around it. */
export interface LaneHost extends Court, ControlHost {
  /** The handler of `run` has to be asked about `slot`. */
  ask(lane: Lane, batch: Batch, slot: Slot, run: RuleRun<MessageRule>): void
}

export interface LaneOptions {
  readonly from: Side
  readonly connection: Connection
  readonly rules: RuleSet
  readonly track: Track
  readonly gate: Gate
  readonly deflate: boolean
  /** Bytes that a message may have to be judged; a larger one passes. */
  readonly messageLimit: number
  readonly host: LaneHost
}

const empty: Uint8Array = Buffer.alloc(0)

/** What one side sends, on its way to the other: cut into frames, journalled, judged where a rule wants it, and queued. */
export class Lane {
  readonly from: Side
  readonly gate: Gate
  readonly #connection: Connection
  readonly #rules: RuleSet
  readonly #track: Track
  readonly #reader: FrameReader
  readonly #cursor = new FrameCursor()
  readonly #messageLimit: number
  readonly #host: LaneHost
  readonly #controls: ControlLane
  #runs: readonly RuleRun<MessageRule>[] = []
  #observers: readonly RuleRun<MessageRule>[] = []
  #version = -1
  /** The element that takes the rest of the message in progress; without one it is being relayed, or none is in progress. */
  #current: Batch | Stretch | undefined
  /** The codec's rest after the last WebSocket message. */
  #rest = empty
  /** How much of the codec's rest had been forwarded before the batch in progress began. */
  #forwarded = 0
  /** Of the data frame in progress: it is the last of its message. */
  #last = false
  /** What was queued last ends with a frame. */
  #whole = true
  /** Of the WebSocket message in progress. */
  #compressed = false
  #binary = false
  /** Of the chunk in progress: the receiver has it already. */
  #relayed = false

  constructor(options: LaneOptions) {
    this.from = options.from
    this.gate = options.gate
    this.#connection = options.connection
    this.#rules = options.rules
    this.#track = options.track
    this.#reader = new FrameReader(options.from, { deflate: options.deflate })
    this.#messageLimit = options.messageLimit
    this.#host = options.host
    this.#controls = new ControlLane(options)
  }

  /** True if what comes next could meet another fate than to be written at once. */
  get judging(): boolean {
    return this.#refresh() || this.#current !== undefined || !this.gate.idle
  }

  /** Notes a place behind everything that has come from the sender. */
  mark(id: number, at: number): void {
    this.gate.push({ kind: 'mark', id })
    this.gate.drain(at)
  }

  /** Takes the next chunk from the sender. */
  receive(chunk: Buffer, at: number, relayed = false): void {
    const deciding = this.#refresh() && !relayed
    this.#relayed = relayed
    const reader = this.#reader
    const wasOpaque = reader.opaque !== undefined
    this.#last = reader.insideLastFrame
    reader.push(chunk)
    const { bytes } = reader
    if (bytes.length > 0) {
      if (!deciding && !this.#controls.watching && !this.#current && reader.closeAt < 0 && this.gate.idle) this.#relay(bytes, at)
      else this.#walk(bytes, deciding, at)
    }
    if (reader.opaque) this.#relayUnread(reader.opaque, !wasOpaque)
    this.gate.drain(at)
  }

  /** The sender has ended: what was begun goes on as far as it has come. */
  end(how: 'fin' | 'rst', at: number): void {
    const carried = this.#reader.end()
    this.#cutShort()
    if (carried.length > 0) {
      const stretch = new Stretch(false)
      stretch.add(carried, 0, carried.length)
      stretch.done = true
      stretch.torn = true
      this.gate.weigh(carried.length)
      this.gate.push(stretch)
    }
    this.gate.push({ kind: 'end', how })
    this.gate.drain(at)
  }

  /** The rules changed: what only waited for its rest goes on if none of them decides any more. */
  rulesChanged(at: number): void {
    this.#refresh()
    this.gate.drain(at)
  }

  /** Makes room at the tail for something of our own: a message that is being relayed, also one of the codec's, goes before it. */
  settleTail(): void {
    if (this.#current || this.#reader.opaque || (!this.#reader.insideMessage && this.#rest.length === 0)) return
    this.#current = new Stretch(true)
    this.#current.writtenWhole = this.#current.arrivedWhole = !this.#reader.insideFrame
    this.gate.push(this.#current)
  }

  /** Carries an answer from a handler over to its slot. */
  settle(slot: Slot, batch: Batch, verdict: Verdict, payload: Payload | undefined): void {
    const { message, run } = slot
    message.decide(verdict, run?.label)
    switch (verdict.kind) {
      case 'pass':
        slot.state = 'ready'
        return
      case 'drop':
        slot.state = 'dropped'
        return
      case 'corrupt':
        slot.state = 'ready'
        slot.broken = verdict.how
        return
      case 'delay':
        slot.state = 'delayed'
        slot.due = message.at + verdict.ms
        return
      case 'replace':
        slot.state = 'ready'
        slot.payload = payload
        return
      case 'hold':
        slot.state = verdict.others === 'wait' ? 'held' : 'aside'
        this.gate.hold(slot, batch)
        return
    }
  }

  /** True if a rule could decide, or do something after, a message of this direction. */
  #refresh(): boolean {
    if (this.#version !== this.#rules.version) {
      this.#version = this.#rules.version
      this.#runs = this.#rules.messageRules(this.#connection, this.from)
      this.#controls.runs = this.#rules.controlRules(this.#connection, this.from)
      this.#observers = this.#runs.filter(({ rule }) => rule.action.kind === 'observe' && rule.then.length === 0)
    }
    for (const run of this.#runs) {
      if ((run.rule.action.kind !== 'observe' || run.rule.then.length > 0) && run.canAct) return true
    }
    // A batch that waits for its rest waits no longer.
    if (this.#current?.kind === 'batch') this.#letGo(this.#current)
    return false
  }

  /** Writes a chunk as it came. */
  #relay(bytes: Buffer, at: number): void {
    const watched = this.#runs.length > 0
    const record = this.#track.append(bytes, this.#reader.first, at, watched ? 'queued' : 'relayed')
    if (this.#track.stateful || watched) {
      this.#track.materialize(record)
      this.#rest = this.#track.rests.at(-1) ?? this.#rest
    }
    this.gate.pass(bytes, 0, bytes.length)
    if (!watched) return
    for (const message of record.findings()) {
      if (!(message instanceof JournalledMessage)) continue
      const { run } = this.#judge(message)
      message.decide(pass, run?.label)
      message.passed()
    }
  }

  /** Takes a chunk frame by frame. */
  #walk(bytes: Buffer, deciding: boolean, at: number): void {
    const reader = this.#reader
    const { gate } = this
    const record = this.#track.append(bytes, reader.first, at, gate.gone ? 'undeliverable' : 'queued')
    if (gate.gone) {
      if (reader.closeAt >= 0) this.#host.closeArrived(this.from)
      return
    }
    this.#track.materialize(record)
    const arrived = new Arrivals(record.findings(), this.#track.rests)
    const size = bytes.length
    let controls = false
    if (reader.first > 0) {
      this.#take(bytes, 0, reader.first, false, reader.first < size || !reader.insideFrame, deciding, arrived, at)
    }
    const cursor = this.#cursor
    cursor.reset(bytes, reader.first)
    while (cursor.next()) {
      const { head, start, end } = cursor
      if (isControl(head)) {
        if ((head & 0x0f) === Opcode.close) {
          this.#cutShort()
          this.#controls.close(bytes.subarray(start, end), cursor.payload - start, at)
        } else {
          this.#ping(bytes, start, cursor.payload, end, at)
          controls = true
        }
        continue
      }
      const begins = (head & 0x0f) !== Opcode.continuation
      this.#last = (head & 0x80) !== 0
      if (begins) {
        this.#compressed = (head & 0x40) !== 0
        this.#binary = (head & 0x0f) === Opcode.binary
      }
      if (end < size) this.#take(bytes, start, end, begins, true, deciding, arrived, at)
      else this.#take(bytes, start, size, begins, !reader.insideFrame, deciding, arrived, at)
    }
    if (controls) gate.overtake()
  }

  /** Takes a part of a data frame. `ended`: the frame ends with it. */
  #take(
    bytes: Buffer,
    start: number,
    end: number,
    begins: boolean,
    ended: boolean,
    deciding: boolean,
    arrived: Arrivals,
    at: number,
  ): void {
    const whole = ended && this.#last
    const message = whole ? arrived.next(end) : undefined
    // A message before this one, in the same chunk, has ended the connection.
    if (this.gate.gone) {
      for (let late = message; late; late = arrived.next(end)) late.settle(undefined)
      return
    }
    if (deciding && begins && message && !this.#current && !this.#track.stateful && !arrived.more(end)) {
      this.#takeWhole(bytes, start, end, message)
    } else {
      const current = this.#elementFor(begins, deciding)
      current.add(bytes, start, end)
      this.#whole = ended
      if (current.kind === 'stretch') current.arrivedWhole = ended
      this.gate.weigh(end - start)
      if (whole) {
        this.#rest = arrived.nextRest() ?? this.#rest
        const messages = message ? [message] : []
        for (let next = message && arrived.next(end); next; next = arrived.next(end)) messages.push(next)
        if (current.kind === 'batch') this.#completeBatch(current, messages)
        else this.#completeStretch(current, messages, deciding)
      } else if (current.kind === 'batch' && current.weight > this.#messageLimit) {
        this.#host.note(`a message from the ${this.from} is over the limit of ${this.#messageLimit} bytes: it passes undecided`)
        this.#letGo(current)
      }
    }
    this.gate.drain(at)
  }

  /** The element that takes a part of a data frame. */
  #elementFor(begins: boolean, deciding: boolean): Batch | Stretch {
    const current = this.#current
    if (current && !(begins && deciding && current.kind === 'stretch')) return current
    // What does not begin here was relayed until now: it cannot be judged any more, and nothing may come in between.
    const element = begins && deciding ? new Batch(this.#compressed, this.#rest.length > 0) : new Stretch(!begins)
    this.#forwarded = this.#rest.length
    if (current) {
      // It waited for the rest of one of the codec's messages, which begins this batch.
      current.done = true
      this.gate.follow(current, element)
    } else this.gate.push(element)
    this.#current = element
    return element
  }

  /** The usual case: one frame, one message, nothing left over. */
  #takeWhole(bytes: Buffer, start: number, end: number, message: JournalledMessage): void {
    const decision = this.#judge(message)
    if (decision.verdict === pass && decision.then.length === 0 && this.gate.idle) {
      message.decide(pass, decision.run?.label)
      this.gate.pass(bytes, start, end)
      message.passed()
      return
    }
    const batch = new Batch(this.#compressed, false)
    batch.done.add(bytes, start, end)
    batch.weight = end - start
    batch.complete = true
    this.gate.weigh(end - start)
    this.gate.push(batch)
    this.#addSlot(batch, message, message.bytesOrNothing ?? empty, decision)
  }

  #completeBatch(batch: Batch, messages: readonly JournalledMessage[]): void {
    batch.close()
    batch.binary = this.#binary
    // Set before the rules are asked: what they set aside leaves in its own frames if it was alone.
    if (this.#rest.length === 0) {
      batch.complete = true
      this.#current = undefined
    }
    for (const message of messages) {
      const partly = this.#forwarded > 0
      const own = message.bytesOrNothing ?? empty
      this.#addSlot(batch, message, partly ? own.subarray(this.#forwarded) : own, partly ? undisturbed : this.#judge(message))
      this.#forwarded = 0
    }
  }

  #completeStretch(stretch: Stretch, messages: readonly JournalledMessage[], deciding: boolean): void {
    if (this.#rest.length === 0) {
      stretch.done = true
      this.#current = undefined
    }
    for (const message of messages) {
      stretch.messages.push(message)
      message.decide(pass, undefined)
      // Partly forwarded before the rule that could decide it was there.
      if (message.undecodable === undefined) judge(deciding || this.#relayed ? this.#observers : this.#runs, message, this.#host)
    }
  }

  #judge(message: JournalledMessage): Decision {
    return message.undecodable === undefined ? judge(this.#relayed ? this.#observers : this.#runs, message, this.#host) : undisturbed
  }

  #addSlot(batch: Batch, message: JournalledMessage, own: Uint8Array, { verdict, payload, run, then }: Decision): void {
    const slot: Slot = { message, own, state: 'undecided', payload: undefined, due: 0, then, run }
    batch.slots.push(slot)
    if (verdict !== 'ask') this.settle(slot, batch, verdict, payload)
    else if (run) this.#host.ask(this, batch, slot, run)
  }

  #ping(bytes: Buffer, start: number, payloadAt: number, end: number, at: number): void {
    if (this.#controls.watching && !this.#controls.passes(bytes.subarray(start, end), payloadAt - start, at)) return
    const current = this.#current
    if (current?.kind === 'batch') (current.open.empty ? current.done : current.open).add(bytes, start, end, true)
    else this.gate.control(bytes, start, end)
  }

  /** The message in progress will not be completed: what has come of it goes on, and nothing of our own can follow. */
  #cutShort(): void {
    this.settleTail()
    const current = this.#current?.kind === 'batch' ? this.#letGo(this.#current) : this.#current
    if (current) {
      current.done = true
      current.torn = true
    }
    this.#current = undefined
  }

  /** What has come of a batch that waits for its rest goes on; the rest will follow in what this returns. */
  #letGo(batch: Batch): Stretch | undefined {
    const begun = this.#rest.length > 0
    const inMessage = !batch.open.empty
    const stretch = inMessage || begun ? new Stretch(begun) : undefined
    if (stretch) {
      stretch.weight = batch.open.size
      batch.weight -= stretch.weight
      stretch.pieces.take(batch.open)
      stretch.arrivedWhole = this.#whole
      this.gate.follow(batch, stretch)
    }
    batch.complete = true
    if (begun) batch.leftover = { bytes: this.#rest, binary: batch.binary }
    this.#current = stretch
    return stretch
  }

  /** Bytes after a close frame or a violation: the receiver does with them what it would have done on a direct connection. */
  #relayUnread(bytes: Buffer, first: boolean): void {
    const { violation } = this.#reader
    if (first) {
      this.#cutShort()
      if (violation) this.#host.note(`the ${this.from} broke ${violation.section} (${violation.what}): relayed unread from there on`)
    }
    if (bytes.length === 0) return
    if (!this.#current) {
      this.#current = new Stretch(false)
      this.gate.push(this.#current)
    }
    this.#current.add(bytes, 0, bytes.length)
    this.gate.weigh(bytes.length)
  }
}
