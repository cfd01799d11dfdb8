import type { ProxyEngine, RuleRun, TrafficEvent } from '@midwire/proxy'
import { ruleLabel } from '@midwire/proxy'
import { callerError } from './bad-input.ts'
import { UnexpectedTraffic, UnmetExpectation } from './expectation-errors.ts'
import { times } from './failure-text.ts'
import type { Landmarks } from './landmarks.ts'
import { realTimers } from './real-timers.ts'
import { Scan } from './scan.ts'
import type { ScopeState } from './scope-state.ts'
import type { Sought } from './sought.ts'
import { callSite, placedAt, showLine } from './source-line.ts'
import type { CallSite } from './source-line.ts'
import { checkAbsenceOptions, checkHitOptions, checkWaitOptions } from './wait-options.ts'
import type { AbsenceOptions, HitOptions, WaitOptions } from './wait-options.ts'
import { watch } from './watch.ts'

/** What waits need of the proxy they belong to. */
export interface WaitDesk {
  readonly landmarks: Landmarks
  /** @throws MidwireError MIDWIRE_BAD_USE outside of a test or hook */
  engine(): ProxyEngine
  /** @throws MidwireError MIDWIRE_BAD_USE outside of a test or hook */
  state(): ScopeState
  /** ms that a wait may take that begins now. */
  timeout(state: ScopeState, asked: number | undefined): number
  failureText(state: ScopeState, headline: string, site: CallSite, more?: FailureDetails): string
}

/** What a failure says beside what every failure says. */
export interface FailureDetails {
  /** Marks the best near miss. */
  readonly sought?: Sought<object>
  /** Marks lines of the transcript, by the `seq` of their events. */
  readonly marks?: ReadonlyMap<number, string>
  readonly notes?: readonly string[]
}

/** Resolves with the first, or `nth`, that is sought, once it has been seen. */
export async function seek<R extends object>(
  desk: WaitDesk,
  call: string,
  soughtBy: () => Sought<R>,
  options: WaitOptions = {},
): Promise<R> {
  const site = callSite()
  const [engine, state] = [desk.engine(), desk.state()]
  checkWaitOptions(options, call)
  const sought = soughtBy()
  const { nth = 1, after, signal } = options
  const ticket = {}
  if (options.nth === undefined && after === undefined) refuseTwin(state, ticket, call, sought, site)
  const scan = new Scan(engine.journal, state.scope, startOf(desk, state, after, `${call} { after }`), sought, site)
  let seen = 0
  const look = (): R | undefined => {
    for (let find = scan.next(); find; find = scan.next()) {
      if (++seen < nth) continue
      desk.landmarks.place(find.found, find.event.seq)
      return find.found
    }
    return undefined
  }
  const late = (ms: number): R => {
    state.failed = true
    throw placedAt(new UnmetExpectation(desk.failureText(state, unmet(sought, nth, seen, options, ms), site, { sought })), site)
  }
  try {
    return await watch(engine, state, {
      what: `${call}(${sought.text})`,
      at: site.line,
      look,
      late,
      signal,
      timeout: desk.timeout(state, options.timeout),
    })
  } catch (error) {
    state.identical.forget(ticket)
    throw error
  }
}

/** Resolves with what `look` finds, which is once the rule has acted `count` times. */
export async function awaitRule<T>(
  desk: WaitDesk,
  run: RuleRun,
  count: number,
  look: () => T | undefined,
  options: HitOptions = {},
): Promise<T> {
  const site = callSite()
  const [engine, state] = [desk.engine(), desk.state()]
  checkHitOptions(options, 'waitForHit')
  const label = ruleLabel(run.rule)
  const late = (ms: number): T => {
    state.failed = true
    const acted = run.acted === 0 ? 'never acted' : `acted ${times(run.acted)}`
    const headline = `${label} ${acted} within ${Math.round(ms)} ms; expected ${times(count)}`
    throw placedAt(new UnmetExpectation(desk.failureText(state, headline, site)), site)
  }
  const timeout = desk.timeout(state, options.timeout)
  const follow = (again: () => void): (() => void) => run.onChange(again)
  return await watch(engine, state, {
    what: `waitForHit(${count}) of ${label}`,
    at: site.line,
    look,
    late,
    follow,
    signal: options.signal,
    timeout,
  })
}

/** Resolves if nothing that is sought was seen within the options' reach; rejects as soon as it was. */
export async function expectNone(
  desk: WaitDesk,
  call: string,
  soughtBy: () => Sought<object>,
  options: AbsenceOptions = {},
): Promise<void> {
  const site = callSite()
  const [engine, state] = [desk.engine(), desk.state()]
  checkAbsenceOptions(options, call)
  const sought = soughtBy()
  const { after, until, for: duration } = options
  const scan = new Scan(engine.journal, state.scope, startOf(desk, state, after, `${call} { after }`), sought, site)
  const refuse = (event: TrafficEvent | undefined, end: number = Infinity): void => {
    if (event === undefined || event.seq > end) return
    state.failed = true
    const headline = `a ${sought.what}${sought.of ?? ''}${matching(sought)} after ${Math.round(event.at - state.startedAt)} ms; expected none`
    throw placedAt(new UnexpectedTraffic(desk.failureText(state, headline, site)), site)
  }
  if (until !== undefined && !isPromiseLike(until))
    return refuse(scan.next()?.event, desk.landmarks.find(until, engine.journal, `${call} { until }`))
  if (until === undefined && duration === undefined) return refuse(scan.next()?.event)

  // `end` is known once `until` is fulfilled: what it is fulfilled with may lie before what has been seen since.
  let end: number | undefined
  let broken: unknown
  let first: TrafficEvent | undefined
  let again = (): void => {}
  let isSure = until === undefined
  until?.then(
    value => {
      end = desk.landmarks.lookUp(value, engine.journal) ?? engine.journal.mark()
      again()
    },
    (reason: unknown) => {
      broken = { reason }
      again()
    },
  )
  const look = (): { readonly event: TrafficEvent | undefined } | undefined => {
    first ??= scan.next()?.event
    if (broken !== undefined || end !== undefined) return { event: first }
    if (first === undefined) return undefined
    if (isSure) return { event: first }
    // `until` may be on its way to being fulfilled by something that came before: let the promises run first.
    isSure = true
    realTimers.setImmediate(again)
    return undefined
  }
  const late = (ms: number): { readonly event: undefined } => {
    if (until === undefined) return { event: undefined }
    state.failed = true
    const headline = `${call}(${sought.text}): what \`until\` waits for did not come within ${Math.round(ms)} ms`
    throw placedAt(new UnmetExpectation(desk.failureText(state, headline, site)), site)
  }
  const follow = (look: () => void): (() => void) => {
    again = look
    return () => {
      again = () => {}
    }
  }
  const timeout = duration ?? desk.timeout(state, undefined)
  const { event } = await watch(engine, state, { what: `${call}(${sought.text})`, at: site.line, look, late, follow, timeout })
  if (isBroken(broken) && event === undefined) throw broken.reason
  refuse(event, end)
}

function isBroken(broken: unknown): broken is { readonly reason: unknown } {
  return broken !== undefined
}

/** @throws MidwireError if a wait like this one has been met, or is under way, in the same scope */
function refuseTwin(state: ScopeState, ticket: object, call: string, sought: Sought<object>, site: CallSite): void {
  const earlier = state.identical.enter(ticket, call, [sought.within, sought.input], site.line)
  if (earlier === undefined) return
  throw callerError(
    'MIDWIRE_BAD_USE',
    `${call}(${sought.text}) is the same wait as at ${showLine(earlier)} and would return the same ${sought.what}; ` +
      `add { nth: 2 } for the second, or { after } for the next one after something`,
  )
}

function startOf(desk: WaitDesk, state: ScopeState, after: WaitOptions['after'], what: string): number {
  return after === undefined ? state.startedAfter : Math.max(state.startedAfter, desk.landmarks.find(after, desk.engine().journal, what))
}

function unmet(sought: Sought<object>, nth: number, seen: number, { after }: WaitOptions, ms: number): string {
  const place = after === undefined ? '' : ' after the given place'
  const within = `within ${Math.round(ms)} ms`
  if (nth === 1) return `no ${sought.what}${sought.of ?? ''}${matching(sought)}${place} ${within}`
  return `only ${seen} of ${nth} ${sought.what}s${sought.of ?? ''}${matching(sought)}${place} ${within}`
}

function matching(sought: Sought<object>): string {
  return sought.text === 'any' ? ' was seen' : ` matched ${sought.text}`
}

function isPromiseLike(value: object): value is PromiseLike<unknown> {
  return 'then' in value && typeof value.then === 'function'
}
