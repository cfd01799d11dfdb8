import type { FaultPoint, OwnResponse } from '../rule/request-rule.ts'
import type { Side } from '../side.ts'
import type { Part } from './declared-streams.ts'
import type { Body, ResponseHead } from './sides.ts'

/** What is done to an exchange beside relaying it. */
export interface Detour {
  /** Given in place of upstream's answer, once that has come. */
  readonly instead?: OwnResponse
  /** The response goes on when it resolves. */
  readonly pause?: () => Promise<void>
  readonly edit?: (head: ResponseHead, body: Body) => Promise<Part<ResponseHead>>
  readonly fault?: Fault
}

/** Where a request's body is read from; `onChunk` where nobody has counted it yet. */
export interface Source {
  readonly body: Body
  readonly onChunk: ((chunk: Buffer) => void) | undefined
}

/** How an exchange is broken off, or stopped. */
export interface Fault {
  readonly how: 'reset' | 'end' | 'stall'
  readonly at: FaultPoint
  readonly to: Side | 'both'
  /** Of the rule. */
  readonly label: string
}
