import fc from 'fast-check'
import { expect, test } from 'vitest'
import { byPlace, drawFault, readFault, writeFault } from './chaos-draw.ts'
import type { ChaosDeed, ChaosOdds, ChaosPlace } from './chaos-draw.ts'

const place: fc.Arbitrary<ChaosPlace> = fc.record({
  connection: fc.integer({ min: 1, max: 500 }),
  from: fc.constantFrom('client' as const, 'server' as const),
  message: fc.integer({ min: 1, max: 1_000_000 }),
})
const deed: fc.Arbitrary<ChaosDeed> = fc.oneof(
  fc.record({ kind: fc.constantFrom('drop' as const, 'duplicate' as const, 'disconnect' as const) }),
  fc.record({ kind: fc.constant('delay' as const), ms: fc.nat(100_000) }),
)
const odds: fc.Arbitrary<ChaosOdds> = fc
  .tuple(fc.integer({ min: 0, max: 25 }), fc.integer({ min: 0, max: 25 }), fc.integer({ min: 0, max: 25 }), fc.integer({ min: 0, max: 25 }))
  .map(([drop, duplicate, disconnect, p]) => ({
    drop: drop / 100,
    duplicate: duplicate / 100,
    disconnect: disconnect / 100,
    delay: { p: p / 100, ms: [10, 40] },
  }))

test('what is written of a fault can be read again', () => {
  fc.assert(
    fc.property(place, deed, (where, what) => {
      expect(readFault(writeFault(where, what))).toEqual({ place: where, deed: what })
    }),
  )
})

test.each([
  '',
  'drop',
  '#0 client 1 drop',
  '#1 client 0 drop',
  '#1 peer 1 drop',
  '#1 client 1 delay',
  '#1 client 1 delay 1.5',
  ' #1 client 1 drop',
  7,
])('%j is no fault', text => expect(readFault(text)).toBeUndefined())

test('the same seed, odds and place draw the same fault, in whatever order they are asked', () => {
  fc.assert(
    fc.property(fc.integer(), odds, fc.array(place), (seed, chances, places) => {
      const forwards = places.map(one => drawFault(seed, chances, one))
      const backwards = places.toReversed().map(one => drawFault(seed, chances, one))
      expect(backwards.toReversed()).toEqual(forwards)
    }),
  )
})

test('each fault is as frequent as its odds say, on every connection and in both directions', () => {
  const chances: ChaosOdds = { drop: 0.1, duplicate: 0.2, disconnect: 0.05, delay: { p: 0.3, ms: [10, 40] } }
  for (const connection of [1, 2, 77])
    for (const from of ['client', 'server'] as const) {
      const counts = { drop: 0, duplicate: 0, disconnect: 0, delay: 0, nothing: 0 }
      const delays = new Set<number>()
      for (let message = 1; message <= 10_000; message++) {
        const drawn = drawFault(4711, chances, { connection, from, message })
        counts[drawn?.kind ?? 'nothing']++
        if (drawn?.kind === 'delay') delays.add(drawn.ms)
      }
      const shares = Object.values(counts).map(count => count / 10_000)
      for (const [n, share] of [0.1, 0.2, 0.05, 0.3, 0.35].entries()) expect(Math.abs(shares[n]! - share)).toBeLessThan(0.02)
      expect([Math.min(...delays), Math.max(...delays), delays.size]).toEqual([10, 40, 31])
    }
})

test('another seed draws otherwise', () => {
  const faults = (seed: number): string =>
    Array.from(
      { length: 200 },
      (_, n) => drawFault(seed, { drop: 0.5 }, { connection: 1, from: 'client', message: n + 1 })?.kind ?? '-',
    ).join()
  expect(new Set([1, 2, 3, 4, 5].map(faults)).size).toBe(5)
})

test('each side of each connection draws for itself', () => {
  const faults = (connection: number, from: 'client' | 'server'): string =>
    Array.from({ length: 200 }, (_, n) => drawFault(7, { drop: 0.5 }, { connection, from, message: n + 1 })?.kind ?? '-').join()
  expect(new Set([faults(1, 'client'), faults(1, 'server'), faults(2, 'client'), faults(2, 'server')]).size).toBe(4)
})

test('odds of 0 and 1 leave nothing to chance', () => {
  fc.assert(
    fc.property(fc.integer(), place, (seed, where) => {
      expect(drawFault(seed, {}, where)).toBeUndefined()
      expect(drawFault(seed, { drop: 1 }, where)).toEqual({ kind: 'drop' })
      expect(drawFault(seed, { disconnect: 1 }, where)).toEqual({ kind: 'disconnect' })
    }),
  )
})

test('faults are told by connection, then by side, then by message', () => {
  const places: ChaosPlace[] = [
    { connection: 2, from: 'client', message: 1 },
    { connection: 1, from: 'server', message: 2 },
    { connection: 1, from: 'server', message: 10 },
    { connection: 1, from: 'client', message: 3 },
  ]
  expect(places.toSorted(byPlace).map(one => writeFault(one, { kind: 'drop' }))).toEqual([
    '#1 client 3 drop',
    '#1 server 2 drop',
    '#1 server 10 drop',
    '#2 client 1 drop',
  ])
})
