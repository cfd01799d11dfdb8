import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void

/** Bytes of the heap that are in use, after what can go has gone. */
export async function settledHeap(): Promise<number> {
  // What a collection frees in C++ frees more in the next one.
  for (let n = 0; n < 4; n++) {
    gc()
    await new Promise(resolve => setImmediate(resolve))
  }
  return process.memoryUsage().heapUsed
}

/**
 * The highest resident size since it began, in bytes above what it was then. It looks after a collection: V8 lets about 60 MiB of dead
 * buffers lie before it collects, also where a client reads from its server without anything in between.
 */
export class MemoryWatch {
  readonly #start: number
  #highest = 0

  constructor() {
    gc()
    this.#start = process.memoryUsage.rss()
  }

  look(): void {
    gc()
    this.#highest = Math.max(this.#highest, process.memoryUsage.rss() - this.#start)
  }

  get growth(): number {
    this.look()
    return this.#highest
  }
}

/** How often each kind of resource keeps the process alive, timers aside: the test runner has some. */
export function resources(): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) if (name !== 'Timeout') counts[name] = (counts[name] ?? 0) + 1
  return counts
}
