import type { Fault } from './fault.ts'

/** The connection is reset at `at`, in ms since the proxy started, however busy it is. */
export function resetAfter(at: number): Fault {
  return { resetAt: at, next: ({ arrived }) => ({ at: arrived }) }
}
