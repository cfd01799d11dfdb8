import { badInput, callerError, checkCount, checkFunction, checkKeys } from './bad-input.ts'

export interface ShrinkOptions {
  /** How often `run` may be called at most. @default 500 */
  readonly limit?: number
}

export interface Shrunk<F> {
  /** The shortest list that was found to fail: without any one of its faults it passes, unless `limit` was reached before. */
  readonly faults: readonly F[]
  /** What `run` threw with it. */
  readonly error: unknown
  /** How often `run` was called. */
  readonly runs: number
}

/**
 * Finds out which of some faults a failure takes, by running again and again with a part of them (delta debugging: Zeller and Hildebrandt,
 * "Simplifying and Isolating Failure-Inducing Input", 2002).
 *
 * @param run a run of its own with these faults, which throws where it fails
 * @throws MidwireError MIDWIRE_BAD_USE if it does not fail with all of them
 */
export async function shrink<F>(
  faults: readonly F[],
  run: (faults: readonly F[]) => unknown,
  options: ShrinkOptions = {},
): Promise<Shrunk<F>> {
  if (!Array.isArray(faults)) throw badInput(`shrink(faults, run): expected a list of faults, got ${typeof faults}`)
  checkFunction(run, 'shrink(faults, run)')
  checkKeys(options, ['limit'], 'shrink(options)')
  const { limit = 500 } = options
  checkCount(limit, 'shrink({ limit })')
  const search = new Search(run, limit)
  if (!(await search.fails(faults))) {
    throw callerError(
      'MIDWIRE_BAD_USE',
      `shrink(): the run does not fail with all ${faults.length} faults, so that none of them can be to blame`,
    )
  }
  let shortest: readonly F[] = faults
  if (faults.length > 0 && (await search.fails([]))) shortest = []
  for (let parts = 2; shortest.length > 1 && parts <= shortest.length && !search.exhausted;) {
    const found = await search.firstFailing(candidates(shortest, parts))
    if (!found) parts = parts < shortest.length ? Math.min(parts * 2, shortest.length) : Infinity
    else {
      parts = found.faults.length <= Math.ceil(shortest.length / parts) ? 2 : Math.max(parts - 1, 2)
      shortest = found.faults
    }
  }
  return { faults: shortest, error: search.error, runs: search.runs }
}

/** Each of so many parts, and then all but each. */
function* candidates<F>(all: readonly F[], parts: number): Generator<readonly F[]> {
  const bounds = Array.from({ length: parts + 1 }, (_, n) => Math.round((n * all.length) / parts))
  const slices = bounds.slice(1).map((end, n) => ({ from: bounds[n] ?? 0, end }))
  for (const { from, end } of slices) yield all.slice(from, end)
  if (parts > 2) for (const { from, end } of slices) yield [...all.slice(0, from), ...all.slice(end)]
}

class Search<F> {
  readonly #run: (faults: readonly F[]) => unknown
  readonly #limit: number
  /** Of the shortest list that has failed so far. */
  error: unknown
  runs = 0

  constructor(run: (faults: readonly F[]) => unknown, limit: number) {
    this.#run = run
    this.#limit = limit
  }

  get exhausted(): boolean {
    return this.runs >= this.#limit
  }

  async fails(faults: readonly F[]): Promise<boolean> {
    this.runs++
    try {
      await this.#run(Object.freeze([...faults]))
      return false
    } catch (error) {
      this.error = error
      return true
    }
  }

  /** Wrapped, since a list may be empty. */
  async firstFailing(lists: Iterable<readonly F[]>): Promise<{ readonly faults: readonly F[] } | undefined> {
    for (const faults of lists) {
      if (this.exhausted) return undefined
      if (await this.fails(faults)) return { faults }
    }
    return undefined
  }
}
