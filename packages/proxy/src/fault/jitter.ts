import type { Chance } from './chance.ts'
import type { Fault } from './fault.ts'
import type { Head } from './piece.ts'

/** Everything takes between `ms - spread` and `ms + spread` longer. What is faster than the piece before it waits for that one. */
export function jitter(ms: number, spread: number, chance: Chance): Fault {
  let drawnFor: Head | undefined
  let drawn = 0
  return {
    delay: ms,
    next(head) {
      if (drawnFor !== head) {
        drawnFor = head
        drawn = Math.max(0, ms + (2 * chance() - 1) * spread)
      }
      return { at: head.arrived + drawn }
    },
  }
}
