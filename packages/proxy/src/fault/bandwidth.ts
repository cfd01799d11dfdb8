import type { Fault } from './fault.ts'
import { sizeOf } from './piece.ts'

/** ms of traffic that go together: small enough to look even, large enough not to wake the process for each byte. */
const grain = 20

/** At most so many bytes per second: each byte takes its time, and what is behind it waits. */
export function bandwidth(bytesPerSecond: number): Fault {
  const atOnce = Math.max(1, Math.floor((bytesPerSecond * grain) / 1000))
  return {
    rate: bytesPerSecond,
    next({ piece, arrived }, last) {
      const size = Math.min(sizeOf(piece), atOnce)
      return { at: Math.max(arrived, last) + (size * 1000) / bytesPerSecond, size }
    },
  }
}
