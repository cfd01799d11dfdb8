import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { chanceOf } from './chance.ts'
import { faultsOf, type LinkConditions } from './conditions.ts'
import { Link } from './link.ts'
import type { Head, Piece } from './piece.ts'

/** A link with its own clock, which remembers what came out and when. */
class VirtualLink {
  readonly link = new Link()
  readonly out: { readonly at: number; readonly text: string }[] = []
  #now = 0
  readonly #since = new Map<object, number>()

  get now(): number {
    return this.#now
  }

  /** Everything that came out, as one text. */
  get text(): string {
    return this.out.map(({ text }) => text).join('')
  }

  set(owner: object, conditions: LinkConditions, seed = 1): this {
    const since = this.#since.get(owner) ?? this.#now
    this.#since.set(owner, since)
    return this.#take(this.link.set(owner, faultsOf(conditions, { from: 'client', since, chance: chanceOf(seed) }), this.#now))
  }

  remove(owner: object): this {
    return this.#take(this.link.remove(owner, this.#now))
  }

  send(text: string): this {
    return this.#take(this.link.push({ kind: 'bytes', bytes: Buffer.from(text) }, this.#now))
  }

  end(how: 'fin' | 'rst' | 'gone'): this {
    return this.#take(this.link.push({ kind: 'end', how }, this.#now))
  }

  /** Wakes the link as it asks to be woken, until `ms` later. */
  wait(ms: number): this {
    const until = this.#now + ms
    for (let at = this.link.wakeAt(); at !== undefined && at <= until; at = this.link.wakeAt()) {
      this.#now = Math.max(this.#now, at)
      this.#take(this.link.advance(this.#now))
    }
    this.#now = until
    return this
  }

  #take(pieces: readonly Piece[]): this {
    for (const piece of pieces) this.out.push({ at: this.#now, text: show(piece) })
    return this
  }
}

function show(piece: Piece): string {
  return piece.kind === 'bytes' ? piece.bytes.toString() : `[${piece.kind === 'cut' ? 'cut ' : ''}${piece.how}]`
}

function linkWith(conditions: LinkConditions): VirtualLink {
  return new VirtualLink().set({}, conditions)
}

describe('one condition', () => {
  test('without one, everything passes in the turn it came in', () => {
    expect(new VirtualLink().send('a').end('fin').out).toEqual([
      { at: 0, text: 'a' },
      { at: 0, text: '[fin]' },
    ])
  })

  test('latency: everything comes so much later, and not before', () => {
    const link = linkWith({ latency: 80 }).send('a').wait(10).send('b').end('fin').wait(69)
    expect(link.out).toEqual([])
    expect(link.wait(1000).out).toEqual([
      { at: 80, text: 'a' },
      { at: 90, text: 'b' },
      { at: 90, text: '[fin]' },
    ])
  })

  test('jitter: pieces come within its spread and never out of order (T96)', () => {
    const link = linkWith({ latency: 80, jitter: 20 })
    const sent: number[] = []
    for (let n = 0; n < 200; n++) {
      sent.push(link.now)
      link.send(String.fromCharCode(0x100 + n)).wait(3)
    }
    link.wait(1000)
    expect(link.text).toBe(String.fromCharCode(...sent.map((_, n) => 0x100 + n)))
    const taken = link.out.map(({ at }, n) => at - (sent[n] ?? 0))
    expect(Math.min(...taken)).toBeGreaterThanOrEqual(60)
    expect(Math.max(...taken)).toBeLessThanOrEqual(100)
    expect(new Set(taken.map(Math.round)).size).toBeGreaterThan(5)
  })

  test('bandwidth: each byte takes its time, and the last one comes when all have had theirs', () => {
    const link = linkWith({ bandwidth: 1000 }).send('x'.repeat(500)).wait(400)
    expect(link.text.length).toBe(400)
    link.end('fin').wait(1000)
    expect(link.out.at(-1)).toEqual({ at: 500, text: '[fin]' })
    expect(link.text).toBe(`${'x'.repeat(500)}[fin]`)
  })

  test('bandwidth can differ by direction', () => {
    const link = linkWith({ bandwidth: { client: 100, server: 1 } })
    link.send('x'.repeat(10)).wait(100)
    expect(link.text).toBe('x'.repeat(10))
    expect(linkWith({ bandwidth: { server: 1 } }).send('x').text).toBe('x')
  })

  test('slice: bytes come in small pieces, apart', () => {
    const link = linkWith({ slice: { size: 3, delay: 5 } })
      .send('abcdefgh')
      .wait(100)
    expect(link.out).toEqual([
      { at: 0, text: 'abc' },
      { at: 5, text: 'def' },
      { at: 10, text: 'gh' },
    ])
  })

  test('slice: the size varies as much as it may', () => {
    const link = linkWith({ slice: { size: 10, variation: 4 } })
    link.send('x'.repeat(2000)).wait(5000)
    const sizes = link.out.map(({ text }) => text.length).slice(0, -1)
    expect(Math.min(...sizes)).toBe(6)
    expect(Math.max(...sizes)).toBe(14)
  })

  test.for([
    [10, 'fin'],
    [1, 'fin'],
    [7, 'rst'],
  ] as const)('limit: exactly %i bytes pass, then the connection is cut (%s), and nothing more comes', ([bytes, then]) => {
    const link = linkWith({ limit: { bytes, then } })
    for (const text of ['abcd', 'efgh', 'ijkl', 'mnop']) link.send(text)
    expect(link.end('fin').wait(100).text).toBe(`${'abcdefghijklmnop'.slice(0, bytes)}[cut ${then}]`)
  })

  test('slow close: bytes come at once, the end later', () => {
    const link = linkWith({ slowClose: 50 }).send('a').end('rst').wait(100)
    expect(link.out).toEqual([
      { at: 0, text: 'a' },
      { at: 50, text: '[rst]' },
    ])
  })

  test('reset after: fires under constant traffic, at its time (T95)', () => {
    const link = linkWith({ resetAfter: 100 })
    for (let n = 0; n < 50; n++) link.send('.').wait(7)
    expect(link.out.at(-1)).toEqual({ at: 100, text: '[cut rst]' })
    expect(link.text).toBe(`${'.'.repeat(15)}[cut rst]`)
  })

  test('reset after: does not wait for what is on its way', () => {
    const link = new VirtualLink().set({}, { latency: 1000 }).set({}, { resetAfter: 10 }).send('a').wait(5000)
    expect(link.out).toEqual([{ at: 10, text: '[cut rst]' }])
  })

  test('black hole: nothing passes until it is gone, then everything in order', () => {
    const owner = {}
    const link = new VirtualLink().set(owner, { blackHole: true }).send('a').wait(1e6).send('b').end('fin').wait(1e6)
    expect(link.out).toEqual([])
    expect(link.link.size).toBe(2)
    expect(link.remove(owner).text).toBe('ab[fin]')
    expect(link.link.size).toBe(0)
  })

  test('stall: what is lost comes later, and what is behind it with it', () => {
    const link = linkWith({ stall: { probability: 0.1, ms: 300 } })
    for (let n = 0; n < 300; n++) link.send('.').wait(1)
    link.wait(1000)
    expect(link.text).toBe('.'.repeat(300))
    const late = link.out.filter(({ at }, n) => at - n >= 300).length
    expect(late).toBeGreaterThan(0)
    // Right behind a lost piece there is another that has to wait for it.
    expect(link.out.filter(({ at }, n) => at > n).length).toBeGreaterThan(late)
  })
})

describe('what chance decides', () => {
  test.for<[string, LinkConditions]>([
    ['jitter', { jitter: 50 }],
    ['slice', { slice: { size: 10, variation: 9 } }],
    ['stall', { stall: 0.5 }],
  ])('%s is drawn once for each piece, however often it is asked about', ([, conditions]) => {
    const [made] = faultsOf(conditions, { from: 'client', since: 0, chance: chanceOf(3) })
    const fault = made?.make()
    const head = (): Head => ({ piece: { kind: 'bytes', bytes: Buffer.alloc(100) }, arrived: 0 })
    const answers = Array.from({ length: 20 }, () => {
      const piece = head()
      const [first, again] = [fault?.next(piece, 0), fault?.next(piece, 0)]
      expect(again).toEqual(first)
      return JSON.stringify(first)
    })
    expect(new Set(answers).size).toBeGreaterThan(1)
  })
})

describe('several conditions', () => {
  test('latencies add up (T96)', () => {
    const link = new VirtualLink().set({}, { latency: 30 }).set({}, { latency: 12 }).send('a').wait(100)
    expect(link.out).toEqual([{ at: 42, text: 'a' }])
  })

  test('of two bandwidths the smaller one counts', () => {
    const link = new VirtualLink().set({}, { bandwidth: 100 }).set({}, { bandwidth: 1000 }).send('x'.repeat(10)).wait(1000)
    expect(link.out.at(-1)?.at).toBeLessThanOrEqual(120)
    expect(link.out.at(-1)?.at).toBeGreaterThanOrEqual(100)
  })

  test('a limit behind a latency cuts when its last byte arrives', () => {
    const link = linkWith({ latency: 10, limit: 3 }).send('abcdef').wait(100)
    expect(link.out).toEqual([
      { at: 10, text: 'abc' },
      { at: 10, text: '[cut fin]' },
    ])
  })

  test('a changed latency counts for what is on its way, too, from when it was sent', () => {
    const owner = {}
    const link = new VirtualLink().set(owner, { latency: 10_000 }).send('a').wait(20).send('b').set(owner, { latency: 30 }).wait(1000)
    expect(link.out).toEqual([
      { at: 30, text: 'a' },
      { at: 50, text: 'b' },
    ])
  })

  test('what a limit has counted survives a change of something else', () => {
    const owner = {}
    const link = new VirtualLink().set(owner, { limit: 4 }).send('ab').set(owner, { limit: 4, latency: 5 }).send('cdef').wait(100)
    expect(link.text).toBe('abcd[cut fin]')
  })

  test('the window of a slow link is about what is on its way; of a fast one, a mebibyte', () => {
    expect(linkWith({ latency: 500 }).link.window).toBe(1024 * 1024)
    expect(linkWith({ bandwidth: 1000 }).link.window).toBe(16 * 1024)
    expect(linkWith({ bandwidth: 100_000, latency: 400 }).link.window).toBe(50_000)
  })
})

type Step =
  | { readonly do: 'send'; readonly length: number }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'set'; readonly owner: number; readonly conditions: LinkConditions }
  | { readonly do: 'remove'; readonly owner: number }

const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined, freq: 2 })

/** Everything that keeps a connection alive. */
const conditions: fc.Arbitrary<LinkConditions> = fc
  .record({
    latency: some(fc.nat(200)),
    jitter: some(fc.nat(200)),
    bandwidth: some(fc.integer({ min: 50, max: 100_000 })),
    slice: some(fc.record({ size: fc.integer({ min: 1, max: 20 }), variation: fc.nat(20), delay: fc.nat(3) })),
    slowClose: some(fc.nat(100)),
    stall: some(fc.record({ probability: fc.double({ min: 0, max: 1, noNaN: true }), ms: fc.nat(300) })),
    blackHole: some(fc.boolean()),
  })
  .map(record => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)))

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('send' as const), length: fc.integer({ min: 1, max: 60 }) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.nat(150) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('set' as const), owner: fc.nat(2), conditions }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), owner: fc.nat(2) }) },
  ),
  { maxLength: 40 },
)

describe('whatever comes, changes and goes', () => {
  const owners = [{}, {}, {}]

  /** What was sent: every character differs from its neighbours, so that a loss, a repetition or another order shows. */
  function play(plan: readonly Step[], seed: number): { link: VirtualLink; sent: string } {
    const link = new VirtualLink()
    let sent = ''
    for (const step of plan) {
      switch (step.do) {
        case 'send': {
          const text = Array.from({ length: step.length }, (_, n) => String.fromCharCode(33 + ((sent.length + n) % 91))).join('')
          sent += text
          link.send(text)
          break
        }
        case 'wait':
          link.wait(step.ms)
          break
        case 'set':
          link.set(owners[step.owner] ?? owners, step.conditions, seed)
          break
        case 'remove':
          link.remove(owners[step.owner] ?? owners)
          break
      }
    }
    return { link, sent }
  }

  test('no byte is lost, repeated or out of order, and nothing hangs, once the holes are closed (T93)', () => {
    fc.assert(
      fc.property(steps, fc.nat(), fc.constantFrom('fin', 'rst', 'gone'), (plan, seed, how) => {
        const { link, sent } = play(plan, seed)
        link.end(how)
        // What is merely slow comes by itself.
        for (const owner of owners) link.set(owner, { latency: 7, jitter: 7, bandwidth: 500, slice: 9 }, seed)
        link.wait(1e7)
        expect(link.text).toBe(`${sent}[${how}]`)
        expect(link.link.size).toBe(0)
        expect(link.link.wakeAt()).toBeUndefined()
      }),
      { numRuns: 300 },
    )
  })

  test('when the last condition goes, everything is there at once, and the link is as if it had never been (T92)', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (plan, seed) => {
        const { link, sent } = play(plan, seed)
        for (const owner of owners) link.remove(owner)
        expect(link.text).toBe(sent)
        expect(link.link.clear).toBe(true)
        expect(link.link.size).toBe(0)
      }),
      { numRuns: 300 },
    )
  })

  test('the same seed makes the same run', () => {
    fc.assert(
      fc.property(steps, fc.nat(), (plan, seed) => {
        const [first, second] = [play(plan, seed), play(plan, seed)]
        expect(second.link.wait(5000).out).toEqual(first.link.wait(5000).out)
      }),
      { numRuns: 100 },
    )
  })

  test('a limit lets exactly its bytes through, whatever else is wrong', () => {
    fc.assert(
      fc.property(steps, fc.nat(), fc.integer({ min: 1, max: 300 }), (plan, seed, bytes) => {
        const link = new VirtualLink().set(plan, { limit: bytes })
        const text = 'abcdefghijklmnopqrstuvwxyz'.repeat(20)
        for (const [n, step] of plan.entries()) {
          link.send(text.slice(n * 10, n * 10 + 10))
          if (step.do === 'set') link.set(owners[step.owner] ?? owners, step.conditions, seed)
          if (step.do === 'wait') link.wait(step.ms)
        }
        for (const owner of owners) link.remove(owner)
        link.wait(1e6)
        const sent = text.slice(0, plan.length * 10)
        expect(link.text).toBe(sent.length < bytes ? sent : `${sent.slice(0, bytes)}[cut fin]`)
      }),
      { numRuns: 200 },
    )
  })
})
