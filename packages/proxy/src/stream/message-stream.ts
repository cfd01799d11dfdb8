import type { Codec } from '../codec.ts'
import type { EngineContext } from '../engine-context.ts'
import { Pump } from '../io/pump.ts'
import type { WireConnection } from '../io/wire-connection.ts'
import type { Session } from '../session/session.ts'
import { other } from '../side.ts'
import type { Side } from '../side.ts'
import { Opcode } from '../ws/frame.ts'
import type { Envelope } from './framing.ts'
import type { Letter } from './letter.ts'
import type { Passage } from './passage.ts'
import { Polls } from './polls.ts'
import { StreamLeg } from './stream-leg.ts'
import { frameFrom, framesIn } from './virtual-frames.ts'

/** One exchange of a message stream, as the stream ends it. */
export interface StreamExchangeControl {
  /** Ends both sides before their time. */
  cut(how: 'fin' | 'rst', reason: string): void
  /** The response ends here, complete as far as the client can tell; upstream is not read any more. */
  finish(): void
  /** Upstream has not answered its request, which carries nothing itself: the client waits for messages. */
  readonly isPolling: boolean
  /** Answers with what waits for a body; upstream's answer is for the client's next poll. */
  answerAhead(): void
}

/** Messages of one direction that have not all been decided, and where they go. */
interface Way {
  readonly queue: Letter[]
  readonly passages: Set<Passage>
  /** Messages of our own that found no body to go into. */
  readonly waiting: { readonly payload: Uint8Array; readonly envelope: Envelope | undefined }[]
  paused: boolean
}

/**
 * A connection whose messages lie in the bodies of HTTP exchanges: of one, as with an event stream, or of many, as in long polling. It
 * is a session like that of a WebSocket, on legs that unpack and pack bodies.
 */
export class MessageStream {
  readonly connection: WireConnection
  readonly codec: Codec<unknown>
  readonly polls: Polls = new Polls()
  /** It has many exchanges. */
  readonly #isShared: boolean
  /** By who sends. */
  readonly #ways: Record<Side, Way> = { client: newWay(), server: newWay() }
  readonly #letters = new WeakMap<Uint8Array, Letter>()
  readonly #rewritten = new WeakSet<Uint8Array>()
  readonly #exchanges = new Set<StreamExchangeControl>()
  readonly #legs: Record<Side, StreamLeg>
  readonly #session: Session
  readonly #pump: Pump
  readonly #engine: EngineContext
  #mark = 0
  #over = false
  #ended: 'fin' | 'rst' | 'closed' | undefined
  #finishes = false

  constructor(engine: EngineContext, connection: WireConnection, codec: Codec<unknown>, isShared: boolean) {
    this.#isShared = isShared
    this.#engine = engine
    this.connection = connection
    this.codec = codec
    const { scope } = connection
    this.#session = engine.startSession(
      connection,
      '',
      { deflate: false },
      {
        codec,
        random: () => 0,
        onRewrite: frame => void this.#rewritten.add(frame),
      },
    )
    this.#legs = { client: this.#leg('client'), server: this.#leg('server') }
    this.#pump = new Pump({
      session: this.#session,
      legs: this.#legs,
      clock: engine.clock,
      decisionTimeout: engine.decisionTimeout,
      onFailure: (rule, error, message) => engine.fail({ scope: rule?.scope ?? scope, rule, error, message }),
      onOver: () => this.#finished(),
      onClosing: () => connection.markClosing(),
      inScope: turn => engine.runRules(scope, turn),
    })
    connection.attach(this.#pump, to => this.#obstacle(to))
    this.#pump.start({ client: Buffer.alloc(0), server: Buffer.alloc(0) })
  }

  /** True once nothing more goes through it. */
  get over(): boolean {
    return this.#over
  }

  /** How a test or a rule has ended it, if one has: its later exchanges end likewise. */
  get endedBy(): 'fin' | 'rst' | 'closed' | undefined {
    return this.#ended
  }

  /** True if what comes next from that side could meet another fate than to go on at once. */
  mustJudge(from: Side): boolean {
    return this.#session.mustJudge(from) || this.#ways[from].waiting.length > 0
  }

  isPaused(from: Side): boolean {
    return this.#ways[from].paused
  }

  note(text: string): void {
    this.#engine.note(this.connection, this.connection.scope, text)
  }

  /** An exchange of this connection has begun. */
  join(exchange: StreamExchangeControl): void {
    this.#exchanges.add(exchange)
  }

  /** It is over. */
  leave(exchange: StreamExchangeControl): void {
    this.#exchanges.delete(exchange)
    if (this.#finishes) this.finish()
  }

  /** The connection ends with the last of its exchanges. */
  finish(): void {
    this.#finishes = true
    if (this.#exchanges.size === 0 && !this.#over) this.#pump.push({ kind: 'end', from: 'server', how: 'fin' })
  }

  /** Its only exchange broke off. */
  broke(by: Side): void {
    if (this.#over) return
    // As a socket that was reset: it says so, and closes.
    const [first, second] = [this.#legs[by], this.#legs[other(by)]]
    first.wasReset = second.wasReset = true
    first.once('close', () => second.reset())
    first.reset()
  }

  /** A body begins, or ends, that takes messages from that side on. */
  open(from: Side, passage: Passage): void {
    this.#ways[from].passages.add(passage)
    for (const { payload, envelope } of this.#ways[from].waiting.splice(0)) this.#send(from, payload, envelope)
  }

  close(from: Side, passage: Passage): void {
    this.#ways[from].passages.delete(passage)
  }

  /** Sends the messages of an envelope on their way, to be told of what became of them. */
  carry(from: Side, letter: Letter, binary: boolean): void {
    if (this.#over) return letter.done(letter)
    const relayed = letter.state === 'relayed'
    if (!relayed) this.#ways[from].queue.push(letter)
    for (const part of letter.parts) {
      const bytes = frameFrom(from, part, binary ? Opcode.binary : Opcode.text)
      this.#letters.set(bytes, letter)
      this.#pump.push({ kind: 'bytes', from, bytes, relayed })
    }
    if (!relayed) this.#pump.push({ kind: 'mark', from, id: ++this.#mark })
  }

  /** Takes messages of our own that wait for a body, the oldest first. */
  takeWaiting(from: Side, most: number): Uint8Array[] {
    return this.#ways[from].waiting.splice(0, most).map(({ payload }) => payload)
  }

  hasWaiting(from: Side): boolean {
    return this.#ways[from].waiting.length > 0
  }

  /** The receiver of what `from` sends has room again. */
  drained(from: Side): void {
    this.#legs[other(from)].emit('drain')
  }

  #leg(side: Side): StreamLeg {
    const from = other(side)
    const way = this.#ways[from]
    const setPaused = (paused: boolean): void => {
      this.#ways[side].paused = paused
      for (const passage of this.#ways[side].passages) passage.pace()
    }
    return new StreamLeg({
      get backlog() {
        let bytes = 0
        for (const passage of way.passages) bytes += passage.backlog
        return bytes
      },
      write: bytes => this.#written(side, bytes),
      mark: () => {
        const letter = way.queue.shift()
        if (!letter) return
        letter.state = 'done'
        letter.done(letter)
      },
      setPaused,
      ended: how => this.#legEnded(side, how),
    })
  }

  /** Why a side can be sent nothing of our own. */
  #obstacle(to: Side): string | undefined {
    if (to === 'client' || this.#isShared) return undefined
    return 'nothing goes to the server of a stream once its request has been sent'
  }

  /** What the session wrote to a side. */
  #written(to: Side, bytes: Buffer): void {
    const from = other(to)
    const known = this.#letters.get(bytes)
    if (known?.state === 'relayed') return
    const rewritten = this.#rewritten.has(bytes)
    for (const { opcode, payload, torn } of framesIn(bytes)) {
      if (opcode === Opcode.close) this.#closeTo(to, payload)
      else this.#place(from, payload, known, rewritten, torn)
    }
  }

  #place(from: Side, payload: Uint8Array, known: Letter | undefined, rewritten: boolean, torn: boolean): void {
    const [head] = this.#ways[from].queue
    const letter = known && known.state !== 'done' ? known : rewritten || head?.state === 'begun' ? head : undefined
    if (!letter) return this.#send(from, payload, known?.envelope)
    letter.state = 'begun'
    letter.written.push(payload)
    if (torn) letter.tear()
  }

  /** A message that came in no envelope, or out of its place. */
  #send(from: Side, payload: Uint8Array, envelope: Envelope | undefined): void {
    const way = this.#ways[from]
    for (const passage of [...way.passages].toReversed()) if (passage.send(payload, envelope)) return
    way.waiting.push({ payload, envelope })
    // What else is said in this turn goes along.
    if (from === 'server' && way.waiting.length === 1) queueMicrotask(() => this.#answerPoll())
  }

  /** A client that polls is given what waits, as its server would. */
  #answerPoll(): void {
    if (this.#over || !this.hasWaiting('server')) return
    for (const exchange of this.#exchanges) if (exchange.isPolling) return exchange.answerAhead()
  }

  /** A close frame of our own: what goes to that side ends there, complete. */
  #closeTo(to: Side, payload: Buffer): void {
    this.#ended ??= 'closed'
    if (to === 'client') for (const exchange of [...this.#exchanges]) exchange.finish()
    this.#pump.push({ kind: 'bytes', from: to, bytes: frameFrom(to, payload, Opcode.close) })
  }

  #legEnded(side: Side, how: 'fin' | 'rst'): void {
    // What had been written before the end goes before it, also where the rest of its envelope never will.
    for (const letter of this.#ways[other(side)].queue.splice(0)) if (letter.state === 'begun') letter.done(letter)
    // One that came to its end by itself may begin anew.
    if (!this.#finishes) this.#ended ??= how
    for (const exchange of [...this.#exchanges])
      exchange.cut(how, how === 'fin' ? 'its connection was terminated' : 'its connection was reset')
  }

  #finished(): void {
    this.#over = true
    this.polls.abandon()
    for (const from of ['client', 'server'] as const) {
      const count = this.#ways[from].waiting.splice(0).length
      if (count > 0)
        this.note(
          `${count} ${count === 1 ? 'message' : 'messages'} to the ${other(from)} not sent: there was no body to carry ${count === 1 ? 'it' : 'them'}`,
        )
    }
    this.connection.markClosed()
  }
}

function newWay(): Way {
  return { queue: [], passages: new Set(), waiting: [], paused: false }
}
