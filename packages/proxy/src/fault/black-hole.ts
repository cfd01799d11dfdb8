import type { Fault } from './fault.ts'

/** Nothing passes, no end either; what waits goes on when the hole is closed. */
export function blackHole(): Fault {
  return { next: () => ({ at: Infinity }) }
}
