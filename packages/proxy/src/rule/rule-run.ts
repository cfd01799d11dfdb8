import type { Exchange } from '../journal/traffic-event.ts'
import type { Message } from '../message.ts'
import type { ControlFrame, Rule } from './rule.ts'
import { ruleLabel } from './rule-label.ts'

/** A live rule: what was declared, and what has come of it so far. */
export class RuleRun<R extends Rule = Rule> {
  readonly rule: R
  /** The rule in one phrase: its name or its start, and its place. */
  readonly label: string
  /** Later ones are asked first. */
  readonly order: number
  readonly #messages: Message[] = []
  readonly #held = new Set<Message>()
  readonly #heldFrames = new Set<ControlFrame>()
  readonly #exchanges: Exchange[] = []
  readonly #heldExchanges = new Map<Exchange, () => void>()
  readonly #listeners = new Set<() => void>()
  readonly #onDispose: () => void
  #matched = 0
  #acted = 0
  #shadowed = false
  #contested = false
  #disposed = false

  constructor(rule: R, order: number, onDispose: () => void) {
    this.rule = rule
    this.label = ruleLabel(rule)
    this.order = order
    this.#onDispose = onDispose
  }

  /** How often the match was true since the declaration, also where a newer rule decided. */
  get matched(): number {
    return this.#matched
  }

  /** How often it acted: decided, or was shown a message it observes. */
  get acted(): number {
    return this.#acted
  }

  /** True once it would have acted on something that a newer rule decided. */
  get shadowed(): boolean {
    return this.#shadowed
  }

  /** True once its test has failed because another test's rule wanted to decide, too. */
  get contested(): boolean {
    return this.#contested
  }

  get disposed(): boolean {
    return this.#disposed
  }

  /** The messages it acted on, in order of arrival. */
  get messages(): readonly Message[] {
    return this.#messages
  }

  /** The messages it holds now, in order of arrival. */
  get held(): readonly Message[] {
    return [...this.#held]
  }

  /** The pings, pongs or close frames it holds now, in order of arrival. */
  get heldFrames(): readonly ControlFrame[] {
    return [...this.#heldFrames]
  }

  /** The HTTP exchanges it acted on, in order. */
  get exchanges(): readonly Exchange[] {
    return this.#exchanges
  }

  /** The HTTP exchanges it holds now, the first held first. */
  get heldExchanges(): readonly Exchange[] {
    return [...this.#heldExchanges.keys()]
  }

  /** True while it could still act on a match to come. */
  get canAct(): boolean {
    const { times, nth } = this.rule
    return !this.#disposed && (times === undefined || this.#acted < times) && (nth === undefined || this.#matched < nth)
  }

  /** Counts a match. True if the rule's selection lets it act on it. */
  countMatch(): boolean {
    const { times, nth, skip = 0, every = 1, after } = this.rule
    if (this.#disposed || (after && !after())) return false
    this.#matched++
    const place = this.#matched - skip
    return place > 0 && place % every === 0 && (nth === undefined || this.#matched === nth) && (times === undefined || this.#acted < times)
  }

  countAct(message?: Message): void {
    this.#acted++
    if (message) this.#messages.push(message)
    this.#changed()
  }

  /** As `countAct`, for an HTTP exchange. */
  countExchange(exchange: Exchange): void {
    this.#exchanges.push(exchange)
    this.countAct()
  }

  shadow(): void {
    this.#shadowed = true
  }

  contest(): void {
    this.#contested = true
  }

  /** Called by the session when it starts to hold `message` for this rule. */
  hold(message: Message): void {
    this.#held.add(message)
    this.#changed()
  }

  /** Called by the session when `message` was released or discarded. */
  unhold(message: Message): void {
    if (this.#held.delete(message)) this.#changed()
  }

  /** As `hold`, for a ping, pong or close frame. */
  holdFrame(frame: ControlFrame): void {
    this.#heldFrames.add(frame)
    this.#changed()
  }

  unholdFrame(frame: ControlFrame): void {
    if (this.#heldFrames.delete(frame)) this.#changed()
  }

  /** As `hold`, for an HTTP exchange; `release` is called once it may go on. */
  holdExchange(exchange: Exchange, release: () => void): void {
    this.#heldExchanges.set(exchange, release)
    this.#changed()
  }

  /** It ended, and is to be held no more. */
  unholdExchange(exchange: Exchange): void {
    if (this.#heldExchanges.delete(exchange)) this.#changed()
  }

  /** Lets a held exchange go on; nothing happens if it is not held any more. */
  releaseExchange(exchange: Exchange): void {
    const release = this.#heldExchanges.get(exchange)
    this.unholdExchange(exchange)
    release?.()
  }

  /** Calls `listener` after each act, hold, release and at the disposal; returns what stops that. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  /** The rule meets nothing any more; what it decided stays decided, and what it holds stays held until released. */
  dispose(): void {
    if (this.#disposed) return
    this.#disposed = true
    this.#onDispose()
    this.#changed()
  }

  #changed(): void {
    if (this.#listeners.size > 0) for (const listener of [...this.#listeners]) listener()
  }
}
