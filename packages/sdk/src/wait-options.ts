import type { Connection, Exchange, Message, TrafficEvent } from '@midwire/proxy'
import { badInput, checkCount, checkKeys, checkMs } from './bad-input.ts'

/** A place in the order of everything that was seen; made by `proxy.mark()`. */
export interface Mark {
  readonly seq: number
}

/** Anything that a wait returned, or a mark: has a place in the order of everything that was seen. */
export type Landmark = Mark | Message | Connection | Exchange | TrafficEvent

export interface HitOptions {
  /** Real time to wait, in ms. @default until shortly before the test's own timeout; 5000 where none is known */
  readonly timeout?: number
  /** Stops the wait: its promise rejects with `signal.reason`. */
  readonly signal?: AbortSignal
}

export interface WaitOptions extends HitOptions {
  /** The k-th match, from 1. @default 1 */
  readonly nth?: number
  /** Only what came after it. @default from the start of the test */
  readonly after?: Landmark
}

/** How far an absence reaches; neither of the two: up to now. */
export interface AbsenceOptions {
  /** Up to this place, or until this promise is fulfilled. */
  readonly until?: Landmark | PromiseLike<unknown>
  /** For so many ms from now. */
  readonly for?: number
  /** Only what came after it. @default from the start of the test */
  readonly after?: Landmark
}

/** @throws MidwireError on an unknown key or a value that cannot be meant */
export function checkHitOptions(options: HitOptions | undefined, what: string, more: readonly string[] = []): void {
  checkKeys(options, ['timeout', 'signal', ...more], `${what} options`)
  if (options?.timeout !== undefined) checkMs(options.timeout, `${what} { timeout }`)
  if (options?.signal !== undefined && !(options.signal instanceof AbortSignal))
    throw badInput(`${what} { signal }: expected an AbortSignal`)
}

/** @throws MidwireError on an unknown key or a value that cannot be meant */
export function checkWaitOptions(options: WaitOptions | undefined, what: string): void {
  checkHitOptions(options, what, ['nth', 'after'])
  if (options?.nth !== undefined) checkCount(options.nth, `${what} { nth }`)
}

/** @throws MidwireError on an unknown key, a value that cannot be meant, or both `until` and `for` */
export function checkAbsenceOptions(options: AbsenceOptions | undefined, what: string): void {
  checkKeys(options, ['until', 'for', 'after'], `${what} options`)
  if (options?.for !== undefined) checkMs(options.for, `${what} { for }`)
  if (options?.for !== undefined && options.until !== undefined) throw badInput(`${what}: give either until or for, not both`)
}
