import type { Fault } from './fault.ts'

/** Everything takes `ms` longer, FIN and RST included. */
export function latency(ms: number): Fault {
  return { delay: ms, next: ({ arrived }) => ({ at: arrived + ms }) }
}
