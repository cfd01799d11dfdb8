import { setTimeout as pause } from 'node:timers/promises'

/** Resident memory of this process in bytes, once what can be collected has gone and sockets have let go of their buffers. */
export async function settledMemory(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await pause(100)
  }
  return process.memoryUsage.rss()
}
