import type { Chance } from './chance.ts'
import type { Fault } from './fault.ts'
import { type Head, sizeOf } from './piece.ts'

/** Each piece is lost with this probability, and sent again `ms` later; TCP keeps what is behind it waiting. */
export function stall(probability: number, ms: number, chance: Chance): Fault {
  let drawnFor: Head | undefined
  let lost = false
  return {
    next(head) {
      if (drawnFor !== head) {
        drawnFor = head
        lost = sizeOf(head.piece) > 0 && chance() < probability
      }
      return { at: head.arrived + (lost ? ms : 0) }
    },
  }
}
