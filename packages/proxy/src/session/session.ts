import type { Codec } from '../codec.ts'
import { corrupt, rejectedBy } from '../fault/corrupt.ts'
import type { Connection } from '../connection.ts'
import { MidwireError } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import { JournalledMessage } from '../journal/journalled-message.ts'
import { Track } from '../journal/track.ts'
import { isVerdict } from '../rule/judge.ts'
import type { Message } from '../message.ts'
import { copyValue } from '../rule/copy-value.ts'
import { encodePayload } from '../rule/payload.ts'
import type { Payload } from '../rule/payload.ts'
import type { MessageRule } from '../rule/rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'
import type { RuleSet } from '../rule/rule-set.ts'
import { pass } from '../rule/verdict.ts'
import type { Corruption } from '../rule/verdict.ts'
import { other } from '../side.ts'
import type { Side } from '../side.ts'
import { deflate } from '../ws/deflate.ts'
import { Opcode } from '../ws/frame.ts'
import { closePayload, writeFrame } from '../ws/frame-writer.ts'
import type { DeflateAgreement } from '../ws/handshake.ts'
import type { Batch, Slot } from './element.ts'
import { payloadOf } from './batch-writer.ts'
import { Gate } from './gate.ts'
import type { GateHost } from './gate.ts'
import { Lane } from './lane.ts'
import type { LaneHost } from './lane.ts'
import { Closing } from './closing.ts'
import type { ClosingHost, Phase, SessionEvent } from './closing.ts'
import type { Leg } from './leg.ts'
import { Outbox } from './outbox.ts'
import { OwnPings } from './own-pings.ts'
import type { Input, Output } from './session-io.ts'

export interface SessionOptions {
  readonly connection: Connection
  readonly codec: Codec<unknown>
  /** The Sec-WebSocket-Protocol that was agreed. @default the connection's */
  readonly protocol?: string
  readonly journal: Journal
  readonly rules: RuleSet
  readonly deflate: DeflateAgreement
  /** Gives unsigned 32-bit integers, for masking keys. */
  readonly random: () => number
  /** Bytes that a message may have to be judged or decoded, also inflated. @default 100 MiB */
  readonly messageLimit?: number
  /** Bytes that may wait in one direction before its sender is paused. @default 16 MiB */
  readonly holdLimit?: number
  /** ms that a peer has to answer a close frame of Midwire's own. @default 2000 */
  readonly closeTimeout?: number
  /** Told of every frame that takes the place of one that came. */
  readonly onRewrite?: (frame: Buffer) => void
}

interface Question {
  readonly lane: Lane
  readonly batch: Batch
  readonly slot: Slot
  readonly run: RuleRun<MessageRule>
}

/** One WebSocket between its two peers, from the 101 on, without sockets, timers or a clock: inputs in, outputs out. */
export class Session {
  readonly #connection: Connection
  readonly #codec: Codec<unknown>
  readonly #journal: Journal
  readonly #deflate: DeflateAgreement
  readonly #random: () => number
  readonly #holdLimit: number
  readonly #closing: Closing
  readonly #onRewrite: ((frame: Buffer) => void) | undefined
  readonly #outbox = new Outbox()
  readonly #legs: Record<Side, Leg>
  readonly #bothLegs: readonly Leg[]
  readonly #questions = new Map<number, Question>()
  #question = 0
  #busy = false
  #now = 0
  #wake: number | undefined

  constructor(options: SessionOptions) {
    const {
      connection,
      codec,
      journal,
      rules,
      messageLimit = 100 * 1024 * 1024,
      holdLimit = 16 * 1024 * 1024,
      closeTimeout = 2000,
    } = options
    this.#connection = connection
    this.#codec = codec
    this.#journal = journal
    this.#deflate = options.deflate
    this.#random = options.random
    this.#onRewrite = options.onRewrite
    this.#holdLimit = holdLimit
    const host = this.#host()
    const gates = { client: new Gate('client', host, this.#outbox), server: new Gate('server', host, this.#outbox) }
    const leg = (side: Side, peer?: Track): Leg => {
      const protocol = options.protocol ?? connection.protocol
      const track = new Track({ connection, from: side, codec, protocol, journal, messageLimit, peer })
      const lane = new Lane({
        from: side,
        connection,
        rules,
        track,
        gate: gates[other(side)],
        deflate: options.deflate.deflate,
        messageLimit,
        host,
      })
      const pings = new OwnPings((id, problem) => this.#outbox.push({ kind: 'fenced', id, problem }))
      return {
        side,
        lane,
        gate: gates[side],
        track,
        pings,
        inputEnded: false,
        outputEnded: false,
        closeSeen: false,
        paused: false,
        silent: undefined,
      }
    }
    const client = leg('client')
    this.#legs = { client, server: leg('server', client.track) }
    this.#closing = new Closing(this.#closingHost(), this.#outbox, closeTimeout)
    this.#bothLegs = [this.#legs.client, this.#legs.server]
  }

  get phase(): Phase {
    return this.#closing.phase
  }

  /** True if what comes next from that side could meet another fate than to be written at once. */
  mustJudge(from: Side): boolean {
    return !this.#closing.over && this.#legs[from].lane.judging
  }

  /**
   * Encodes a value for 'send'.
   *
   * @throws MidwireError MIDWIRE_CODEC if it cannot be encoded
   */
  encode(to: Side, value: unknown): Payload {
    return encodePayload(this.#codec, value, this.#legs[other(to)].track.context(typeof value !== 'string'))
  }

  /** Takes an input and says what is to be done. Not to be called from within itself: queue what a rule's function asks for. */
  handle(input: Input): Output[] {
    if (this.#busy)
      throw new MidwireError('MIDWIRE_BAD_USE', `a session takes one input at a time: '${input.kind}' came while another was being handled`)
    if (this.#closing.over) return input.kind === 'fence' ? [{ kind: 'fenced', id: input.id, problem: 'the connection is over' }] : []
    this.#busy = true
    try {
      this.#now = input.at
      this.#take(input)
      this.#finishTurn()
    } finally {
      this.#busy = false
    }
    this.#journal.changed()
    return this.#outbox.take()
  }

  #take(input: Input): void {
    switch (input.kind) {
      case 'bytes':
        if (!this.#legs[input.from].inputEnded) this.#legs[input.from].lane.receive(input.bytes, input.at, input.relayed)
        return
      case 'mark':
        this.#legs[input.from].lane.mark(input.id, input.at)
        return
      case 'end':
        this.#closing.legEnded(this.#legs[input.from], input.how)
        return
      case 'clock':
        // A timer may fire a fraction of a millisecond early: then it must be asked for again.
        this.#wake = undefined
        this.#drain()
        this.#closing.clock(input.at)
        return
      case 'rules':
        for (const leg of this.#bothLegs) leg.lane.rulesChanged(input.at)
        return
      case 'decision':
        this.#decided(input.id, input.verdict, input.error)
        return
      case 'release':
        this.#legs[input.message.from].lane.settleTail()
        this.#legs[other(input.message.from)].gate.release(input.message)
        this.#drain()
        return
      case 'releaseAll':
        for (const leg of this.#bothLegs) leg.lane.settleTail()
        for (const leg of this.#bothLegs) leg.gate.releaseAll()
        this.#drain()
        return
      case 'send':
        this.#send(input.to, input.payload, input.place)
        return
      case 'ping':
        this.#ping(input.to, input.payload, undefined)
        return
      case 'fence':
        this.#ping(input.to, Buffer.from(`midwire fence ${input.id} ${this.#random().toString(16)}`), input.id)
        return
      case 'releaseFrame':
        this.#legs[other(input.frame.from)].gate.releaseFrame(input.frame)
        this.#drain()
        return
      case 'close':
        for (const side of input.to === 'both' ? (['client', 'server'] as const) : [input.to])
          this.#closing.close(side, input.code, input.reason)
        return
      case 'terminate':
        this.#event({
          kind: 'note',
          text: input.how === 'fin' ? 'terminated: FIN to both sides, no close frame' : 'reset: RST to both sides',
        })
        this.#closing.terminate(input.how, input.how === 'fin' ? 'the connection was terminated' : 'the connection was reset')
    }
  }

  #host(): GateHost & LaneHost {
    const over = (): boolean => this.#closing.over
    return {
      get over() {
        return over()
      },
      frame: (to, payload, compressed) => {
        const frame = this.#frame(to, payload, compressed)
        this.#onRewrite?.(frame)
        return frame
      },
      carryOut: (gate, slot) => this.#carryOut(gate, slot),
      closeWritten: (gate, own) => this.#closing.written(this.#legs[gate.to], own),
      endReached: (gate, how) => this.#closing.endLeg(this.#legs[gate.to], how),
      injected: (to, what, { bytes, ...rest }) =>
        this.#event({ kind: 'injected', to, what, bytes, ...('value' in rest && { value: rest.value }) }),
      pack: (messages, like) => this.#pack(messages, like),
      note: text => this.#event({ kind: 'note', text }),
      freshValue: message => (message instanceof JournalledMessage ? message.freshValue : copyValue(message.value)),
      encode: (value, original) => encodePayload(this.#codec, value, this.#legs[original.from].track.context(original.binary), original),
      failed: (run, message, error) => this.#outbox.push({ kind: 'fail', rule: run.rule, error, message }),
      closeArrived: from => this.#closing.arrived(this.#legs[from]),
      awaitsPong: from => !this.#legs[from].pings.none,
      pongArrived: (from, payload) => this.#legs[from].pings.answeredBy(payload),
      closeFrame: (to, code, reason) => this.#closeFrame(to, code, reason),
      controlFailed: (run, error) => this.#outbox.push({ kind: 'fail', rule: run.rule, error, message: undefined }),
      breakMessage: (gate, slot, how) => this.#breakMessage(gate, slot, how),
      fenceFailed: (to, id, problem) => this.#legs[to].pings.fail(id, problem),
      ask: (lane, batch, slot, run) => this.#ask({ lane, batch, slot, run }),
    }
  }

  #closingHost(): ClosingHost {
    const now = (): number => this.#now
    return {
      get now() {
        return now()
      },
      legs: this.#legs,
      closeFrame: (to, code, reason) => this.#closeFrame(to, code, reason),
      event: event => this.#event(event),
      drain: () => this.#drain(),
    }
  }

  #event(event: SessionEvent): void {
    this.#journal.append({ ...event, at: this.#now, scope: this.#connection.scope, connection: this.#connection })
  }

  #drain(): void {
    for (const leg of this.#bothLegs) leg.gate.drain(this.#now)
  }

  #finishTurn(): void {
    if (this.#closing.over) return this.#questions.clear()
    for (const leg of this.#bothLegs) this.#pace(leg)
    let due = this.#closing.giveUpAt
    for (const { gate } of this.#bothLegs) if (gate.due !== undefined && (due === undefined || gate.due < due)) due = gate.due
    if (due !== undefined && due !== this.#wake) this.#outbox.push({ kind: 'wake', at: due })
    this.#wake = due
  }

  /** Back-pressure on the sender of what waits in the other leg's gate. */
  #pace(leg: Leg): void {
    const { waiting } = this.#legs[other(leg.side)].gate
    if (!leg.paused && waiting > this.#holdLimit) {
      leg.paused = true
      this.#event({
        kind: 'note',
        text: `reading from the ${leg.side} stops: ${waiting} bytes wait behind a hold, the limit is ${this.#holdLimit}`,
      })
      this.#outbox.push({ kind: 'pause', from: leg.side })
    } else if (leg.paused && waiting <= this.#holdLimit / 2) {
      leg.paused = false
      this.#outbox.push({ kind: 'resume', from: leg.side })
    }
  }

  #frame(to: Side, { bytes, binary, parts }: Payload, compressed: boolean): Buffer {
    if (parts) return Buffer.concat(parts.map(part => this.#frame(to, part, compressed)))
    const windowBits = (to === 'server' ? this.#deflate.clientWindowBits : this.#deflate.serverWindowBits) ?? 15
    // zlib has no raw window of 8 bits; a message need not be compressed (RFC 7692 §6)
    const rsv1 = compressed && windowBits >= 9
    const payload = rsv1 ? deflate(bytes, windowBits) : bytes
    return writeFrame({ opcode: binary ? Opcode.binary : Opcode.text, payload, rsv1, key: this.#key(to) })
  }

  #pack(messages: readonly Uint8Array[], { from, binary }: Message): Uint8Array {
    const [only] = messages
    if (this.#codec.pack) return this.#codec.pack(messages, this.#legs[from].track.context(binary))
    return messages.length === 1 && only ? only : Buffer.concat(messages)
  }

  /** RFC 6455 §5.3: a fresh key for every frame that a client sends. */
  #key(to: Side): number | undefined {
    return to === 'server' ? this.#random() : undefined
  }

  #closeFrame(to: Side, code: number | undefined, reason: string): Buffer {
    return writeFrame({ opcode: Opcode.close, payload: closePayload(code, reason), key: this.#key(to) })
  }

  #send(to: Side, payload: Payload, place: 'tail' | 'now'): void {
    const { gate } = this.#legs[to]
    const frame = this.#frame(to, payload, this.#deflate.deflate)
    this.#legs[other(to)].lane.settleTail()
    if (place === 'now') gate.urgent(frame, payload)
    else gate.append({ kind: 'injected', frame, payload })
    gate.drain(this.#now)
  }

  /** A ping of our own: at once, or as a fence behind everything queued. */
  #ping(to: Side, payload: Buffer, fence: number | undefined): void {
    const { gate, pings, silent } = this.#legs[to]
    if (silent !== undefined || gate.closed !== undefined) {
      const problem = silent ?? 'the close frame had gone before'
      if (fence === undefined) this.#event({ kind: 'note', text: `a ping to the ${to} was not sent: ${problem}` })
      else this.#outbox.push({ kind: 'fenced', id: fence, problem })
      return
    }
    const frame = writeFrame({ opcode: Opcode.ping, payload, key: this.#key(to) })
    this.#legs[other(to)].lane.settleTail()
    pings.add(payload, fence)
    if (fence === undefined) gate.ping(frame)
    else gate.append({ kind: 'fence', frame, id: fence })
    this.#event({ kind: 'injected', to, what: fence === undefined ? 'ping' : 'fence', bytes: payload })
    gate.drain(this.#now)
  }

  #breakMessage(gate: Gate, slot: Slot, how: Corruption): void {
    const payload = payloadOf(slot)
    const { from } = slot.message
    const { protocol } = this.#legs[from].track.context(payload.binary)
    const rejected = rejectedBy(this.#codec, { from, protocol, url: this.#connection.url }, payload)
    const broken = corrupt(how, payload, this.#key(gate.to), rejected)
    this.#onRewrite?.(broken.bytes)
    this.#outbox.range(gate.to, broken.bytes, 0, broken.bytes.length)
    slot.message.settle(broken.payload)
    if (broken.ends) this.#closing.terminate('fin', 'its frame was cut short')
  }

  #carryOut(gate: Gate, slot: Slot): void {
    for (const step of slot.then) {
      switch (step.kind) {
        case 'send':
          this.#followWith(gate, slot, step.to, step.value)
          break
        case 'repeat': {
          const payload = { value: slot.message.value, ...payloadOf(slot) }
          for (let n = 0; n < step.times; n++) gate.inject(this.#frame(gate.to, payload, this.#deflate.deflate), payload)
          break
        }
        case 'close':
          gate.closeNow(this.#closeFrame(gate.to, step.code, step.reason))
          this.#closing.close(other(gate.to), step.code, step.reason)
          break
        case 'terminate':
          this.#event({ kind: 'note', text: `terminated by ${slot.run?.label ?? 'a rule'}: FIN to both sides, no close frame` })
          this.#closing.terminate('fin', 'the connection was terminated')
          return
      }
    }
  }

  #followWith(gate: Gate, slot: Slot, to: Side, value: unknown): void {
    let payload: Payload
    try {
      payload = this.encode(to, value)
    } catch (error) {
      this.#outbox.push({ kind: 'fail', rule: slot.run?.rule, error, message: slot.message })
      return
    }
    if (to === gate.to) gate.inject(this.#frame(to, payload, this.#deflate.deflate), payload)
    else this.#send(to, payload, 'tail')
  }

  #ask(question: Question): void {
    const id = ++this.#question
    this.#questions.set(id, question)
    this.#outbox.push({ kind: 'ask', id, rule: question.run.rule, message: question.slot.message })
  }

  #decided(id: number, answer: unknown, error: unknown): void {
    const question = this.#questions.get(id)
    if (!question) return
    this.#questions.delete(id)
    const { lane, batch, slot, run } = question
    if (slot.message.isDone) return
    let verdict = pass
    let payload: Payload | undefined
    try {
      if (error !== undefined) throw error
      if (answer !== undefined && !isVerdict(answer)) {
        throw new MidwireError(
          'MIDWIRE_RULE_FAILED',
          'a handler returned what is no verdict: expected pass, drop, delay, replace, hold, or undefined to pass',
        )
      }
      if (answer?.kind === 'replace')
        payload = encodePayload(this.#codec, answer.value, this.#legs[lane.from].track.context(slot.message.binary), slot.message)
      verdict = answer ?? pass
    } catch (failure) {
      this.#outbox.push({ kind: 'fail', rule: run.rule, error: failure, message: slot.message })
    }
    lane.settle(slot, batch, verdict, payload)
    lane.gate.drain(this.#now)
  }
}
