import type { Fault } from './fault.ts'
import { sizeOf } from './piece.ts'

/** So many bytes pass, and the connection ends behind the last of them. */
export function limit(bytes: number, then: 'fin' | 'rst'): Fault {
  let remaining = bytes
  return {
    next({ piece, arrived }) {
      if (remaining === 0) return { at: Infinity }
      const size = Math.min(sizeOf(piece), remaining)
      return { at: arrived, size, ...(piece.kind === 'bytes' && size === remaining && { cut: then }) }
    },
    left(size) {
      remaining -= size
    },
  }
}
