import type { Fault } from './fault.ts'

/** The end of the connection takes `ms` longer than its bytes: the receiver sees it open for that long. */
export function slowClose(ms: number): Fault {
  return { next: ({ piece, arrived }) => ({ at: piece.kind === 'end' ? arrived + ms : arrived }) }
}
