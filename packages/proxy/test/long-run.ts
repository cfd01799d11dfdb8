/** True under `pnpm test:long` (`vitest run --mode long`): the forms of tests that take minutes. */
export const long: boolean = process.env['MODE'] === 'long'

/** Settings of fast-check: how often, and where a failed run is replayed from (`MIDWIRE_SEED=… MIDWIRE_PATH=…`, as it prints them). */
export function runs(fast: number, many: number): { numRuns: number; seed?: number; path?: string; endOnFailure?: boolean } {
  const { MIDWIRE_SEED: seed, MIDWIRE_PATH: path, MIDWIRE_RUNS: wanted } = process.env
  return {
    numRuns: wanted === undefined ? (long ? many : fast) : Number(wanted),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path, endOnFailure: true }),
  }
}
