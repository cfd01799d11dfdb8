import type { Track } from '../journal/track.ts'
import type { Side } from '../side.ts'
import type { Gate } from './gate.ts'
import type { Lane } from './lane.ts'
import type { OwnPings } from './own-pings.ts'

/** Where one leg of the connection stands. */
export interface Leg {
  readonly side: Side
  /** What this side sends. */
  readonly lane: Lane
  /** What goes to this side. */
  readonly gate: Gate
  readonly track: Track
  /** Those it has not answered. */
  readonly pings: OwnPings
  /** It sends nothing any more. */
  inputEnded: boolean
  /** It is sent nothing any more. */
  outputEnded: boolean
  /** Its close frame has come. */
  closeSeen: boolean
  paused: boolean
  /** Why it answers no ping that it would be sent now. */
  silent: string | undefined
}
