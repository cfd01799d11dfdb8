import { checkConnected, checkReceived, checkRequested, checkSent, checkSentInOrder, countAsOwn } from '@midwire/sdk'
import type { CheckResult, ConnectionMatch, InterceptionProxy, MessageMatch, RequestMatch, RequestPredicate } from '@midwire/sdk'
import { expect } from 'vitest'

/** What `expect(proxy)` knows. All of them look at what this test has seen so far, and never wait. */
export interface WireMatchers<R, T> {
  /** A message that matches has arrived from a client, whatever rules did with it then; without a match, any. */
  toHaveSent(match?: MatchOf<T>): R
  /** A message that matches has been written to a client, compared as it was written; without a match, any. */
  toHaveReceived(match?: MatchOf<T>): R
  /** Messages that match have arrived from a client in this order; others may lie between them. */
  toHaveSentInOrder(matches: readonly MatchOf<T>[]): R
  /** Clients have opened so many connections that match, WebSockets or declared streams. @default at least one */
  toHaveConnected(times?: T extends InterceptionProxy<infer _> ? number : never, match?: ConnectionMatch): R
  toHaveConnected(match: T extends InterceptionProxy<infer _> ? ConnectionMatch : never): R
  /** A client has sent an HTTP request that matches, whatever rules did with it; without a match, any. */
  toHaveRequested(match?: T extends InterceptionProxy<infer _> ? RequestMatch | RequestPredicate : never): R
}

type MatchOf<T> = T extends InterceptionProxy<infer M> ? MessageMatch<M> : never

declare module 'vitest' {
  interface Matchers<R extends void | Promise<void> = void | Promise<void>, T = unknown> extends WireMatchers<R, T> {}
}

// vitest 4 gives matchers of its own no type for the outcome, but takes those of Jest.
declare global {
  namespace jest {
    interface Matchers<R, T = {}> extends WireMatchers<R, T> {}
  }
}

countAsOwn(import.meta.dirname)

expect.extend({
  toHaveSent(proxy: unknown, match?: unknown): CheckResult {
    return checkSent(proxy, match, this)
  },
  toHaveReceived(proxy: unknown, match?: unknown): CheckResult {
    return checkReceived(proxy, match, this)
  },
  toHaveSentInOrder(proxy: unknown, matches: readonly unknown[]): CheckResult {
    return checkSentInOrder(proxy, matches, this)
  },
  toHaveRequested(proxy: unknown, match?: unknown): CheckResult {
    return checkRequested(proxy, match, this)
  },
  toHaveConnected(proxy: unknown, ...wanted: unknown[]): CheckResult {
    return checkConnected(proxy, wanted, this)
  },
})
