import { realClock } from '../io/clock.ts'

export interface TimeLimit {
  /** Real time, in ms. */
  readonly timeout: number
  /** Ends the waiting: the answer is wanted no more. */
  readonly signal: AbortSignal
  /** What the waiting fails with; `undefined` if it just ends. */
  readonly late: () => Error | undefined
}

/** What `fn` resolves with; `undefined` if it is wanted no more. @throws what `late` says if it takes too long */
export async function inTime<T>(fn: () => Promise<T>, { timeout, signal, late }: TimeLimit): Promise<T | undefined> {
  const { promise, resolve, reject } = Promise.withResolvers<undefined>()
  const leave = (): void => resolve(undefined)
  const timer = realClock.after(timeout, () => {
    const error = late()
    if (error) reject(error)
    else leave()
  })
  signal.addEventListener('abort', leave)
  try {
    return await Promise.race([fn(), promise])
  } finally {
    realClock.cancel(timer)
    signal.removeEventListener('abort', leave)
  }
}
