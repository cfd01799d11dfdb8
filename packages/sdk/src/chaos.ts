import { ruleLabel } from '@midwire/proxy'
import type { Connection, Match, Message, MessageAction, MessageRule, RuleRun, Scope, Side, SourceLine } from '@midwire/proxy'
import { badInput, checkChoice, checkKeys, checkMs } from './bad-input.ts'
import { byPlace, drawFault, readFault, writeFault } from './chaos-draw.ts'
import type { ChaosDeed, ChaosFault, ChaosOdds, ChaosPlace } from './chaos-draw.ts'
import type { MessageMatch } from './matching.ts'
import type { ProxyDesk } from './proxy-desk.ts'

export interface ChaosOptions<T> extends ChaosOdds {
  /** Which messages. @default all */
  readonly match?: MessageMatch<T>
  /** Whose messages. @default both sides' */
  readonly from?: Side
  /** @default derived from the seed of the run and the name of the test */
  readonly seed?: number
}

type Decide = (place: ChaosPlace) => ChaosDeed | undefined

/** Where chaos happens, and to what. */
export interface ChaosGround {
  readonly desk: ProxyDesk
  readonly at: SourceLine
  readonly from: Side | undefined
  readonly match: Match<unknown, Message>
}

/** Faults that are drawn, or replayed, until the test ends or it is disposed. */
export class Chaos implements Disposable {
  /** The same seed and the same traffic give the same faults; `undefined` for a replay, which draws nothing. */
  readonly seed: number | undefined
  readonly #replayed: readonly ChaosFault[] | undefined
  readonly #desk: ProxyDesk
  readonly #scope: Scope
  readonly #decide: Decide
  readonly #match: Match<unknown, Message>
  readonly #deeds = new WeakMap<Message, ChaosDeed | 'none'>()
  readonly #places = new WeakMap<Message, ChaosPlace>()
  readonly #ordinals = new WeakMap<Connection, number>()
  readonly #runs: readonly RuleRun<MessageRule>[]
  #met = 0

  constructor(ground: ChaosGround, start: 'chaos' | 'replay', decide: Decide, seed?: number, replayed?: readonly ChaosFault[]) {
    const { desk, at, from, match } = ground
    const { scope } = desk.state()
    this.seed = seed
    this.#replayed = replayed
    this.#desk = desk
    this.#scope = scope
    this.#decide = decide
    this.#match = match
    const add = (kind: ChaosDeed['kind'], action: MessageAction, then: MessageRule['then'] = []): RuleRun<MessageRule> =>
      desk.engine().rules.add<MessageRule>({
        on: 'message',
        scope,
        at,
        start,
        optional: true,
        from,
        match: { test: (_value, message) => this.#deedFor(message)?.kind === kind, text: match.text },
        action,
        then,
      })
    const delayed = (message: Message): { readonly kind: 'delay'; readonly ms: number } | undefined => {
      const deed = this.#deedFor(message)
      return deed?.kind === 'delay' ? deed : undefined
    }
    this.#runs = [
      add('drop', { kind: 'drop' }),
      add('duplicate', { kind: 'duplicate' }, [{ kind: 'repeat', times: 1 }]),
      add('disconnect', { kind: 'drop' }, [{ kind: 'terminate' }]),
      add('delay', { kind: 'handle', fn: (_value, message) => delayed(message) }),
    ]
  }

  /** The faults that were applied so far: what `replay()` takes. */
  get faults(): readonly ChaosFault[] {
    return this.#runs
      .flatMap(run => run.messages)
      .flatMap(message => {
        const [place, deed] = [this.#places.get(message), this.#deedFor(message)]
        return place && deed ? [{ place, deed }] : []
      })
      .sort((a, b) => byPlace(a.place, b.place))
      .map(({ place, deed }) => writeFault(place, deed))
  }

  /** No further message meets a fault. */
  dispose(): void {
    for (const run of this.#runs) run.dispose()
  }

  [Symbol.dispose](): void {
    this.dispose()
  }

  /** What was applied, in lines that can be copied into a test. */
  toString(): string {
    const [run] = this.#runs
    const label = run ? ruleLabel(run.rule) : ''
    const { faults } = this
    const list = (all: readonly ChaosFault[]): string => all.map(fault => `'${fault}'`).join(', ')
    if (this.#replayed) {
      const missing = this.#replayed.filter(fault => !faults.includes(fault))
      return `${label}: ${faults.length} of ${this.#replayed.length} faults applied${missing.length > 0 ? `; not ${list(missing)}` : ''}`
    }
    const count = `${faults.length === 1 ? '1 fault' : `${faults.length} faults`} in ${this.#met === 1 ? '1 message' : `${this.#met} messages`}`
    const again = faults.length === 0 ? '' : `; the same again, and nothing else:\n    proxy.replay([${list(faults)}])`
    return `${label}, seed ${this.seed}: ${count}${again}`
  }

  #deedFor(message: Message): ChaosDeed | undefined {
    let deed = this.#deeds.get(message)
    if (deed === undefined) {
      deed = (this.#match.test(message.value, message) && this.#decide(this.#placeOf(message))) || 'none'
      this.#deeds.set(message, deed)
      this.#met++
    }
    return deed === 'none' ? undefined : deed
  }

  #placeOf(message: Message): ChaosPlace {
    const place = { connection: this.#ordinalOf(message.connection), from: message.from, message: message.index + 1 }
    this.#places.set(message, place)
    return place
  }

  /** Counted within the test, so that other tests do not matter. */
  #ordinalOf(connection: Connection): number {
    let ordinal = this.#ordinals.get(connection)
    if (ordinal === undefined) {
      const own = this.#desk.engine().connections.filter(({ scope }) => this.#scope.isRelatedTo(scope))
      ordinal = own.indexOf(connection) + 1
      this.#ordinals.set(connection, ordinal)
    }
    return ordinal
  }
}

const keys = ['match', 'from', 'seed', 'drop', 'delay', 'duplicate', 'disconnect']

/** @throws MidwireError MIDWIRE_BAD_INPUT on an unknown key, or what is no probability */
export function checkChaos(options: Omit<ChaosOptions<unknown>, 'match'>): void {
  if (options === undefined) throw badInput('chaos(options): expected odds, such as { drop: 0.05 }')
  checkKeys(options, keys, 'chaos(options)')
  const { from, seed, drop = 0, delay, duplicate = 0, disconnect = 0 } = options
  checkChoice(from, ['client', 'server'], 'chaos({ from })')
  if (seed !== undefined && !Number.isSafeInteger(seed)) throw badInput(`chaos({ seed }): expected an integer, got ${String(seed)}`)
  if (delay !== undefined) checkDelay(delay)
  const odds = { drop, duplicate, disconnect, 'delay.p': delay?.p ?? 0 }
  let sum = 0
  for (const [name, p] of Object.entries(odds)) {
    if (typeof p !== 'number' || !(p >= 0 && p <= 1))
      throw badInput(`chaos({ ${name} }): expected a probability from 0 to 1, got ${String(p)}`)
    sum += p
  }
  if (sum === 0) throw badInput('chaos(options): expected odds, such as { drop: 0.05 }; with none, nothing happens')
  // Sums of decimal fractions are not exact.
  if (sum > 1 + 1e-9) throw badInput(`chaos(options): a message meets one fault at most, so that all odds add up to 1 at most, got ${sum}`)
}

function checkDelay(delay: unknown): void {
  checkKeys(delay, ['p', 'ms'], 'chaos({ delay })')
  const ms: unknown = typeof delay === 'object' && delay !== null && 'ms' in delay ? delay.ms : undefined
  if (!Array.isArray(ms) || ms.length !== 2) throw badInput('chaos({ delay: { ms } }): expected [min, max], in ms')
  for (const one of ms) checkMs(one, 'chaos({ delay: { ms } })')
  if (Number(ms[0]) > Number(ms[1])) throw badInput(`chaos({ delay: { ms } }): expected [min, max], got [${ms.join(', ')}]`)
}

/** Draws a fault, or none, for every message. */
export function drawn(seed: number, odds: ChaosOdds): Decide {
  return place => drawFault(seed, odds, place)
}

/** Exactly these. @throws MidwireError MIDWIRE_BAD_INPUT on what is no fault, and on two for one message */
export function replayed(faults: readonly ChaosFault[]): Decide {
  if (!Array.isArray(faults)) throw badInput(`replay(faults): expected a list of faults, got ${typeof faults}`)
  const deeds = new Map<string, ChaosDeed>()
  const keyOf = ({ connection, from, message }: ChaosPlace): string => `${connection} ${from} ${message}`
  for (const text of faults) {
    const fault = readFault(text)
    if (!fault) throw badInput(`replay(faults): expected faults such as '#1 client 3 drop', got ${JSON.stringify(text)}`)
    const key = keyOf(fault.place)
    if (deeds.has(key)) throw badInput(`replay(faults): two faults for one message: '${text}'`)
    deeds.set(key, fault.deed)
  }
  return place => deeds.get(keyOf(place))
}
