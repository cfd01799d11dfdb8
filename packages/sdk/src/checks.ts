import { describeValue } from '@midwire/proxy'
import type { Message, ProxyEngine, TrafficEvent } from '@midwire/proxy'
import { badInput } from './bad-input.ts'
import { soughtDelivered } from './delivered.ts'
import { times } from './failure-text.ts'
import { inside } from './interception-proxy.ts'
import type { Inside, InterceptionProxy } from './interception-proxy.ts'
import { likelyPart } from './likely-part.ts'
import { nearestMiss } from './report.ts'
import type { ScopeState } from './scope-state.ts'
import { soughtConnection, soughtMessage } from './sought.ts'
import type { Sought } from './sought.ts'
import { soughtExchange } from './sought-exchange.ts'
import { callSite } from './source-line.ts'
import { count } from './transcript.ts'

/** What a matcher answers, in the form that vitest and jest take. */
export interface CheckResult {
  readonly pass: boolean
  /** What the failure says, for `pass` as well as against it: `isNot` turns it round. */
  message(): string
  /** The nearest message, and what was expected, for the runner's diff; only where something came near. */
  readonly actual?: unknown
  readonly expected?: unknown
}

export interface CheckOptions {
  /** The matcher was asked for the opposite. @default false */
  readonly isNot?: boolean
}

/** A message that matches has arrived from a client in this test. @throws MidwireError MIDWIRE_BAD_INPUT unless it is a proxy's */
export function checkSent(proxy: unknown, match?: unknown, options?: CheckOptions): CheckResult {
  const check = new Check(proxy, 'toHaveSent', options)
  return check.some(soughtMessage('client', match), 'to wait for it: await proxy.waitForClientMessage(…)')
}

/** A message that matches has been delivered to a client in this test, as it was delivered. */
export function checkReceived(proxy: unknown, match?: unknown, options?: CheckOptions): CheckResult {
  const check = new Check(proxy, 'toHaveReceived', options)
  const arrived = check.find(soughtMessage('server', match)).length
  const note = arrived === 0 ? '' : `${count(arrived, 'message')} from the server matched, and did not reach the client so. `
  return check.some(
    soughtDelivered(match, check.engine),
    `${note}to wait for it: await (await proxy.waitForServerMessage(…)).whenDelivered`,
  )
}

/** Messages that match have arrived from a client in this test, in this order; others may lie between them. */
export function checkSentInOrder(proxy: unknown, matches: readonly unknown[], options?: CheckOptions): CheckResult {
  const check = new Check(proxy, 'toHaveSentInOrder', options)
  if (!Array.isArray(matches) || matches.length === 0) throw badInput('toHaveSentInOrder([…]): expected a list of matches, the first first')
  return check.inOrder(matches.map((match: unknown) => soughtMessage('client', match)))
}

/** A client of this test has sent an HTTP request that matches. */
export function checkRequested(proxy: unknown, match?: unknown, options?: CheckOptions): CheckResult {
  const check = new Check(proxy, 'toHaveRequested', options)
  return check.some(soughtExchange('request', match, 'toHaveRequested(match)'), 'to wait for it: await proxy.waitForRequest(…)')
}

/** Clients of this test have opened so many connections that match; without a number, one at least. */
export function checkConnected(proxy: unknown, [wanted, match]: readonly unknown[] = [], options?: CheckOptions): CheckResult {
  const check = new Check(proxy, 'toHaveConnected', options)
  if (typeof wanted === 'object' && wanted !== null) return check.connected(undefined, wanted)
  const number = wanted as number | undefined
  if (number !== undefined && !(Number.isSafeInteger(number) && number >= 0)) {
    throw badInput(`toHaveConnected(times): expected a number of connections, got ${String(number)}`)
  }
  return check.connected(number, match)
}

/** True for what `useInterceptionProxy()`, `startInterceptionProxy()` and `client()` return. */
function isProxy(value: unknown): value is InterceptionProxy<unknown> {
  return typeof value === 'object' && value !== null && inside in value
}

/** One look at what a test has seen so far. */
class Check {
  readonly engine: ProxyEngine
  readonly #name: string
  readonly #inside: Inside
  readonly #state: ScopeState
  readonly #isNot: boolean
  readonly #events: readonly TrafficEvent[]

  constructor(proxy: unknown, name: string, { isNot = false }: CheckOptions = {}) {
    if (!isProxy(proxy)) throw badInput(`${name}: expected expect() of an interception proxy, got ${describeValue(proxy)}`)
    this.#inside = proxy[inside]
    this.#name = name
    this.#isNot = isNot
    const { desk } = this.#inside
    this.engine = desk.engine()
    this.#state = desk.state()
    const { scope, startedAfter } = this.#state
    this.#events = [...this.engine.journal.read({ after: startedAfter, scope })]
  }

  find(sought: Sought<object>): readonly TrafficEvent[] {
    const own = this.#own(sought)
    return this.#events.filter(event => own.pick(event) !== undefined)
  }

  some(wanted: Sought<object>, hint: string): CheckResult {
    const sought = this.#own(wanted)
    const found = this.find(wanted)
    const matched = sought.text === 'any' ? '' : ' matched'
    const what = found.length === 0 ? `no ${sought.what}${matched} so far` : `${count(found.length, sought.what)}${matched}, expected none`
    const marks = new Map(found.map(event => [event.seq, 'matched']))
    const message = this.#text(sought.text, what, found.length === 0 ? { sought, hint } : { marks })
    if (found.length > 0) return { pass: true, message }
    const nearest = nearestMiss(this.#events, sought)
    if (!nearest) return { pass: false, message }
    return { pass: false, message, actual: likelyPart(sought.compared(nearest.event), sought.input), expected: sought.input }
  }

  inOrder(list: readonly Sought<Message>[]): CheckResult {
    const found: TrafficEvent[] = []
    let missing: Sought<Message> | undefined
    let from = 0
    for (const sought of list.map(each => this.#own(each))) {
      const place = this.#events.findIndex((event, index) => index >= from && sought.pick(event) !== undefined)
      const event = this.#events[place]
      if (event === undefined) {
        missing = sought
        break
      }
      found.push(event)
      from = place + 1
    }
    const marks = new Map(found.map((event, index) => [event.seq, `${index + 1} of ${list.length}`]))
    const texts = `[${list.map(({ text }) => text).join(', ')}]`
    if (!missing) return { pass: true, message: this.#text(texts, 'they came in this order, expected otherwise', { marks }) }
    const place = found.length === 0 ? '' : ` after ${found.length} of ${list.length}`
    const earlier = this.find(missing).length > 0 ? ', only before' : ''
    const what = `no client message matched ${missing.text}${place}${earlier}`
    const message = this.#text(texts, what, { marks, sought: missing, hint: 'to wait for it: await proxy.waitForClientMessage(…)' })
    const nearest = nearestMiss(this.#events.slice(from), missing)
    const expected = list.map(({ input }) => input)
    const actual = [...expected.slice(0, found.length), ...(nearest ? [likelyPart(missing.compared(nearest.event), missing.input)] : [])]
    return { pass: false, message, actual, expected }
  }

  connected(number: number | undefined, match: unknown): CheckResult {
    const sought = this.#own(soughtConnection('connection', match, 'toHaveConnected(times, match)'))
    const seen = this.#events.filter(event => sought.pick(event) !== undefined).length
    const pass = number === undefined ? seen > 0 : seen === number
    const did = seen === 0 ? 'never connected' : `connected ${times(seen)}`
    const hint = 'to wait for it: await proxy.waitForConnection(…)'
    const words = [...(number === undefined ? [] : [String(number)]), ...(match === undefined ? [] : [sought.text])]
    const message = this.#text(words.join(', '), did, pass || seen > (number ?? 0) ? {} : { hint })
    return { pass, message, ...(pass || number === undefined ? {} : { actual: seen, expected: number }) }
  }

  #own<R extends object>(sought: Sought<R>): Sought<R> {
    return this.#inside.client?.narrow(sought) ?? sought
  }

  #text(
    argument: string,
    what: string,
    { hint, ...more }: { readonly sought?: Sought<object>; readonly hint?: string; readonly marks?: ReadonlyMap<number, string> },
  ): () => string {
    const site = callSite()
    const { desk, client } = this.#inside
    const of = client ? `proxy.${client.text}` : 'proxy'
    const headline = `expect(${of})${this.#isNot ? '.not' : ''}.${this.#name}(${argument === 'any' ? '' : argument}): ${what}`
    return () => desk.failureText(this.#state, headline, site, { ...more, ...(hint === undefined ? {} : { notes: [hint] }) })
  }
}
