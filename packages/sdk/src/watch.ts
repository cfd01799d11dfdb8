import type { ProxyEngine, SourceLine } from '@midwire/proxy'
import { realTimers } from './real-timers.ts'
import type { PendingWait, ScopeState } from './scope-state.ts'

/** Something that is looked for now and after each change of the journal, until it is found, given up, or too late. */
export interface Watched<R> {
  /** `waitForClientMessage({ action: "ATTACH" })`, for a test that ends without having awaited it. */
  readonly what: string
  readonly at: SourceLine
  /** `undefined` goes on watching. */
  look(): R | undefined
  /** Calls back where something else than the journal has changed; returns what stops that. */
  follow?(look: () => void): () => void
  /** Real time, in ms. */
  readonly timeout: number
  readonly signal?: AbortSignal | undefined
  /** What becomes of it when its time is up: a value, or an error that it throws. */
  late(ms: number): R
}

/** Follows the journal for a wait of `state`; settles in time, unless the scope is over before. */
export function watch<R>(engine: ProxyEngine, state: ScopeState, watched: Watched<R>): Promise<R> {
  const { promise, resolve, reject } = Promise.withResolvers<R>()
  const began = engine.now()
  const stops: (() => void)[] = []
  const pending: PendingWait = {
    what: watched.what,
    at: watched.at,
    // It stays pending: a rejection that nobody awaits any more would fail the next test.
    abandon: () => stop(),
  }
  const stop = (): void => {
    for (const undo of stops.splice(0)) undo()
    state.waits.delete(pending)
  }
  const settle = (outcome: () => R): void => {
    stop()
    try {
      resolve(outcome())
    } catch (error) {
      reject(error)
    }
  }
  const look = (): void => {
    try {
      const found = watched.look()
      if (found !== undefined) settle(() => found)
    } catch (error) {
      settle(() => {
        throw error
      })
    }
  }
  const { signal } = watched
  const abort = (): void =>
    settle(() => {
      throw signal?.reason
    })
  state.waits.add(pending)
  if (signal?.aborted) {
    abort()
    return promise
  }
  signal?.addEventListener('abort', abort)
  const timer = realTimers.setTimeout(() => settle(() => watched.late(engine.now() - began)), watched.timeout)
  stops.push(
    () => realTimers.clearTimeout(timer),
    () => signal?.removeEventListener('abort', abort),
    engine.journal.follow(look),
  )
  const unfollow = watched.follow?.(look)
  if (unfollow) stops.push(unfollow)
  look()
  return promise
}
