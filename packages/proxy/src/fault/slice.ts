import type { Chance } from './chance.ts'
import type { Fault } from './fault.ts'
import { type Head, sizeOf } from './piece.ts'

/** Bytes leave in pieces of `size`, give or take `variation`, at least `delay` ms apart. */
export function slice({ size, variation, delay }: SliceOptions, chance: Chance): Fault {
  let drawnFor: Head | undefined
  let drawn = size
  let notBefore = 0
  return {
    next(head) {
      if (sizeOf(head.piece) === 0) return { at: head.arrived }
      if (drawnFor !== head) {
        drawnFor = head
        drawn = variation === 0 ? size : Math.max(1, Math.round(size + (2 * chance() - 1) * variation))
      }
      return { at: Math.max(head.arrived, notBefore), size: drawn }
    },
    left(_size, now) {
      // From when it really left: pieces that are due together would arrive as one.
      notBefore = now + delay
      drawnFor = undefined
    },
  }
}

export interface SliceOptions {
  readonly size: number
  readonly variation: number
  readonly delay: number
}
