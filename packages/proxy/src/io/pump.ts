import type { Message } from '../message.ts'
import type { Payload } from '../rule/payload.ts'
import type { ControlRule, MessageRule } from '../rule/rule.ts'
import type { Verdict } from '../rule/verdict.ts'
import type { Session } from '../session/session.ts'
import type { Input, Output } from '../session/session-io.ts'
import { other, type Side } from '../side.ts'
import { asError, MidwireError } from '../errors.ts'
import { realClock } from './clock.ts'
import type { Clock, Timer } from './clock.ts'
import type { TapFeed } from './tap.ts'

/** ms that both legs get to answer our FIN before they are destroyed; a destroy with unread bytes would send RST instead. */
const lingerTime = 1000

/** Bytes that may wait for a slow receiver before its sender is paused: a pause for each chunk would cost more than it saves. */
const writeAhead = 1024 * 1024

/** One side of what is pumped: a socket, or what stands for one. */
export interface PumpLeg {
  readonly stream: PumpStream
  readonly wasReset: boolean
  readonly closed: boolean
  /** What the conditions of the network do to it, if any. */
  readonly link?: { readonly isSlow: boolean } | undefined
  end(): void
  reset(): void
  destroy(): void
  /** A place in what came from the other side was reached. */
  mark?(id: number): void
}

export interface PumpStream {
  readonly writable: boolean
  readonly writableLength: number
  on(event: 'data', listener: (bytes: Buffer) => void): unknown
  on(event: 'end' | 'drain' | 'close', listener: () => void): unknown
  write(bytes: Uint8Array): boolean
  pause(): unknown
  resume(): unknown
}

export interface PumpOptions {
  readonly session: Session
  readonly legs: Readonly<Record<Side, PumpLeg>>
  /** Who listens, if somebody does. */
  readonly tap?: TapFeed | undefined
  /** What delays are measured by; what must end anyway is measured by the real one. */
  readonly clock: Clock
  /** ms that a handler may take. */
  readonly decisionTimeout: (rule: MessageRule) => number
  readonly onFailure: (rule: MessageRule | ControlRule | undefined, error: Error, message: Message | undefined) => void
  /** Both legs have ended. */
  readonly onOver: () => void
  /** The first close frame has been seen or written. */
  readonly onClosing: () => void
  /** Runs what a turn does as part of the connection's scope. */
  readonly inScope: (turn: () => void) => void
}

type Unstamped = Input extends infer I ? (I extends Input ? Omit<I, 'at'> : never) : never

/** Sockets and clock on one side, `session.handle` on the other. */
export class Pump {
  readonly #session: Session
  readonly #legs: Readonly<Record<Side, PumpLeg>>
  readonly #options: PumpOptions
  readonly #clock: Clock
  #next: Input | undefined
  readonly #waiting: Input[] = []
  readonly #reasonsToPause = { client: new Set<'drain' | 'gate'>(), server: new Set<'drain' | 'gate'>() }
  /** Handlers that have not answered yet: how to answer for them. */
  readonly #decisions = new Map<Timer, (verdict: undefined) => void>()
  readonly #fences = new Map<number, { readonly resolve: () => void; readonly reject: (error: Error) => void }>()
  #fence = 0
  #busy = false
  #over = false
  #wake: Timer | undefined
  #linger: Timer | undefined

  constructor(options: PumpOptions) {
    this.#options = options
    this.#session = options.session
    this.#legs = options.legs
    this.#clock = options.clock
  }

  /** Starts with bytes that came in one segment with the request or with the 101. */
  start(head: Readonly<Record<Side, Buffer>>): void {
    for (const from of ['client', 'server'] as const) {
      const { stream } = this.#legs[from]
      stream.on('data', (bytes: Buffer) => this.#takeBytes(from, bytes))
      stream.on('end', () => {
        this.#options.tap?.end(from)
        this.#take({ kind: 'end', from, how: 'fin', at: this.#clock.now() })
      })
      stream.on('drain', () => this.#goOn(other(from), 'drain'))
      stream.on('close', () => this.#closed(from))
      if (head[from].length > 0) this.#takeBytes(from, head[from])
    }
  }

  /** Turns a value into what `send` takes. @throws MidwireError MIDWIRE_CODEC if it cannot be encoded */
  encode(to: Side, value: unknown): Payload {
    return this.#session.encode(to, value)
  }

  push(input: Unstamped): void {
    this.#take({ ...input, at: this.#clock.now() })
  }

  /** Everything held goes on, and what a handler has not decided passes. */
  releaseAll(): void {
    for (const settle of [...this.#decisions.values()]) settle(undefined)
    this.push({ kind: 'releaseAll' })
  }

  /** Ends at once, whatever is under way. */
  destroy(): void {
    this.#legs.client.destroy()
    this.#legs.server.destroy()
  }

  #takeBytes(from: Side, bytes: Buffer): void {
    this.#options.tap?.take(from, bytes)
    this.#take({ kind: 'bytes', from, bytes, at: this.#clock.now() })
  }

  #closed(from: Side): void {
    this.#options.tap?.end(from)
    // A stream that failed, or was destroyed, closes without an 'end'. The session ignores an end that it has already seen.
    this.#take({ kind: 'end', from, how: this.#legs[from].wasReset ? 'rst' : 'fin', at: this.#clock.now() })
    if (this.#legs[other(from)].closed) this.#finish()
  }

  /** A rule's function may call the connection's methods while the session is at work: those calls wait for their turn. */
  #take(input: Input): void {
    if (this.#over) return
    if (this.#busy) return void this.#waiting.push(input)
    this.#busy = true
    this.#next = input
    try {
      this.#options.inScope(this.#turns)
    } finally {
      this.#busy = false
    }
  }

  readonly #turns = (): void => {
    for (let input = this.#next; input; input = this.#waiting.shift()) {
      for (const output of this.#session.handle(input)) this.#do(output)
    }
    this.#next = undefined
    if (this.#session.phase === 'closing') this.#options.onClosing()
  }

  #do(output: Output): void {
    switch (output.kind) {
      case 'write': {
        const { stream } = this.#legs[output.to]
        if (stream.writable && !stream.write(output.bytes) && stream.writableLength > this.#writeAhead(output.to))
          this.#stop(other(output.to), 'drain')
        return
      }
      case 'mark':
        return this.#legs[output.to].mark?.(output.id)
      case 'end':
        return this.#end(output.to, output.how)
      case 'wake':
        this.#clock.cancel(this.#wake)
        this.#wake = this.#clock.after(Math.max(0, output.at - this.#clock.now()), () => this.push({ kind: 'clock' }))
        return
      case 'ask':
        return this.#ask(output)
      case 'pause':
        return this.#stop(output.from, 'gate')
      case 'resume':
        return this.#goOn(output.from, 'gate')
      case 'fail':
        return this.#options.onFailure(output.rule, asError(output.error), output.message)
      case 'fenced':
        return this.#fenced(output.id, output.problem)
      case 'over':
        return this.#drainAndDestroy()
    }
  }

  /** On a slow network nothing is read ahead of what the network takes. */
  #writeAhead(to: Side): number {
    return this.#legs[to].link?.isSlow ? 0 : writeAhead
  }

  #end(to: Side | 'both', how: 'fin' | 'rst'): void {
    for (const side of to === 'both' ? (['client', 'server'] as const) : [to]) {
      if (how === 'rst') this.#legs[side].reset()
      else this.#legs[side].end()
    }
    if (to === 'both' && how === 'fin') this.#drainAndDestroy()
  }

  /** What the peers still send is read and thrown away, so that they see our FIN and not an RST. */
  #drainAndDestroy(): void {
    if (this.#linger || this.#over) return
    for (const side of ['client', 'server'] as const) {
      this.#reasonsToPause[side].clear()
      this.#legs[side].stream.resume()
    }
    this.#linger = realClock.after(lingerTime, () => this.destroy())
  }

  #ask({ id, rule, message }: Extract<Output, { kind: 'ask' }>): void {
    if (rule.action.kind !== 'handle') throw new Error(`a ${rule.action.kind} rule was asked for a decision`)
    const { fn } = rule.action
    const timeout = this.#options.decisionTimeout(rule)
    const timer = realClock.after(timeout, () => settle(undefined, neverAnswered(rule, timeout)))
    const settle = (verdict: Verdict | undefined, error?: unknown): void => {
      if (!this.#decisions.delete(timer)) return
      realClock.cancel(timer)
      this.push(error === undefined ? { kind: 'decision', id, verdict } : { kind: 'decision', id, verdict, error })
    }
    this.#decisions.set(timer, settle)
    try {
      Promise.resolve(fn(message.value, message)).then(settle, (error: unknown) => settle(undefined, asError(error)))
    } catch (error) {
      settle(undefined, asError(error))
    }
  }

  /** Resolves when `to` has taken everything that was written to it. */
  fence(to: Side): Promise<void> {
    const id = ++this.#fence
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#fences.set(id, { resolve, reject })
    this.push({ kind: 'fence', to, id })
    return promise
  }

  #fenced(id: number, problem: string | undefined): void {
    const waiting = this.#fences.get(id)
    this.#fences.delete(id)
    if (problem === undefined) waiting?.resolve()
    else waiting?.reject(new MidwireError('MIDWIRE_BAD_USE', `flushed(): ${problem}`))
  }

  #stop(from: Side, reason: 'drain' | 'gate'): void {
    if (this.#linger) return
    this.#reasonsToPause[from].add(reason)
    this.#legs[from].stream.pause()
  }

  #goOn(from: Side, reason: 'drain' | 'gate'): void {
    if (!this.#reasonsToPause[from].delete(reason) || this.#reasonsToPause[from].size > 0) return
    this.#legs[from].stream.resume()
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#clock.cancel(this.#wake)
    realClock.cancel(this.#linger)
    for (const timer of this.#decisions.keys()) realClock.cancel(timer)
    this.#decisions.clear()
    for (const id of [...this.#fences.keys()]) this.#fenced(id, 'the connection ended first')
    this.#options.onOver()
  }
}

function neverAnswered(rule: MessageRule, timeout: number): MidwireError {
  return new MidwireError(
    'MIDWIRE_RULE_FAILED',
    `the handler of ${rule.name ?? rule.start} did not answer within ${Math.round(timeout)} ms; its message passed`,
  )
}
