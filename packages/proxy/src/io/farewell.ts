import { realClock } from './clock.ts'

/** ms that peers get to take what there is still to say, when its scope ends. */
const farewellTime = 500

/** Resolves with `over`, or when that has taken too long. */
export async function farewell(over: Promise<unknown>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = realClock.after(farewellTime, resolve)
  await Promise.race([late, over])
  realClock.cancel(timer)
}
