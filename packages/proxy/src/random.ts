/** Unsigned 32-bit integers, the same for the same seed (mulberry32). Good for masking keys and jitter, not for secrets. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return (mixed ^ (mixed >>> 14)) >>> 0
  }
}

/** A seed of its own for each list of keys, so that what one of them draws shifts nothing that another draws (FNV-1a, then mixed). */
export function deriveSeed(seed: number, ...keys: readonly (string | number)[]): number {
  let hash = 0x811c9dc5
  for (const byte of Buffer.from(JSON.stringify([seed, ...keys]))) hash = Math.imul(hash ^ byte, 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
