import { describe, expect, onTestFinished, test } from 'vitest'
import { type RawPeer, rawClient, rawServer } from '../../test/raw-peer.ts'
import { chanceOf } from '../fault/chance.ts'
import { faultsOf, type LinkConditions } from '../fault/conditions.ts'
import type { Clock } from './clock.ts'
import { Leg } from './leg.ts'
import { tellsResetBehindData } from '../../test/reset.ts'

/** So many turns of the event loop: what was to happen at once has happened. */
async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await new Promise(resolve => setImmediate(resolve))
}

function closed(leg: Leg): Promise<void> {
  return new Promise(resolve => leg.raw.once('close', () => resolve()))
}

/** A clock that a test moves. */
class VirtualClock implements Clock {
  #now = 0
  readonly #timers = new Map<object, { readonly at: number; readonly fn: () => void }>()

  now(): number {
    return this.#now
  }

  after(ms: number, fn: () => void): { cancel(): void } {
    const timer = { cancel: () => void this.#timers.delete(timer) }
    this.#timers.set(timer, { at: this.#now + ms, fn })
    return timer
  }

  cancel(timer: { cancel(): void } | undefined): void {
    timer?.cancel()
  }

  move(ms: number): void {
    this.#now += ms
    for (const [timer, { at, fn }] of [...this.#timers]) {
      if (at <= this.#now && this.#timers.delete(timer)) fn()
    }
  }
}

async function pair(): Promise<{ leg: Leg; peer: RawPeer; clock: VirtualClock; set: (conditions?: LinkConditions) => void }> {
  const server = await rawServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const peer = await rawClient(server.port)
  onTestFinished(() => void peer.socket.destroy())
  const leg = new Leg((await server.accepted()).socket)
  onTestFinished(() => leg.cut('rst'))
  const clock = new VirtualClock()
  const owner = {}
  const set = (conditions: LinkConditions = {}): void =>
    leg.linkOn(clock).set(owner, faultsOf(conditions, { from: 'server', since: clock.now(), chance: chanceOf(1) }))
  return { leg, peer, clock, set }
}

const hooks = ['_write', '_writev', '_final', 'destroy']

describe('a leg under conditions', () => {
  test('has hooks on its socket only while there are any, and nothing else of it is touched (T92)', async () => {
    const { leg, peer, set } = await pair()
    const before = Object.getOwnPropertyNames(leg.stream)
    set({})
    expect(Object.getOwnPropertyNames(leg.stream)).toEqual(before)
    set({ latency: 10 })
    expect(hooks.every(hook => Object.hasOwn(leg.stream, hook))).toBe(true)
    const calls: string[] = []
    for (const name of ['setNoDelay', 'setKeepAlive', 'setTimeout'] as const) {
      Object.assign(leg.stream, { [name]: () => calls.push(name) })
    }
    leg.stream.write('a')
    set()
    expect(await peer.untilText('a')).toBe('a')
    expect(hooks.some(hook => Object.hasOwn(leg.stream, hook))).toBe(false)
    expect(calls).toEqual([])
  })

  test('FIN comes behind what was written, when its time has come', async () => {
    const { leg, peer, clock, set } = await pair()
    set({ latency: 50 })
    leg.stream.write('last words')
    leg.end()
    await turns(5)
    expect(peer.text).toBe('')
    clock.move(50)
    expect(await peer.ended()).toBe('fin')
    expect(peer.text).toBe('last words')
  })

  test.skipIf(!tellsResetBehindData)('RST comes behind what was written, when its time has come', async () => {
    const { leg, peer, clock, set } = await pair()
    set({ latency: 50 })
    leg.stream.write('last words')
    leg.reset()
    await turns(5)
    expect(leg.raw.destroyed).toBe(false)
    clock.move(50)
    expect(await peer.ended()).toBe('rst')
    expect(peer.text).toBe('last words')
  })

  test('a socket that is destroyed by its owner sends first what its owner had written', async () => {
    const { leg, peer, clock, set } = await pair()
    set({ latency: 50 })
    leg.stream.write('last words')
    leg.stream.destroy()
    clock.move(50)
    expect(await peer.ended()).toBe('fin')
    expect(peer.text).toBe('last words')
    expect(leg.raw.destroyed).toBe(true)
  })

  test('a peer that has gone takes what was on its way to it with it', async () => {
    const { leg, peer, set } = await pair()
    set({ blackHole: true })
    leg.stream.write('unheard')
    leg.stream.resume()
    peer.socket.resetAndDestroy()
    await closed(leg)
    expect(leg.linkOn(new VirtualClock()).size).toBe(0)
  })

  test('a slow link is back-pressure: writers wait, and memory is bounded', async () => {
    const { leg, peer, clock, set } = await pair()
    set({ bandwidth: 100_000 })
    const chunk = Buffer.alloc(64 * 1024, 'x')
    let written = 0
    while (leg.stream.write(chunk, () => (written += chunk.length))) await turns(1)
    await turns(5)
    expect(written).toBeLessThanOrEqual(64 * 1024)
    const waiting = leg.stream.writableLength + leg.linkOn(clock).size
    expect(waiting).toBeLessThanOrEqual(4 * 64 * 1024)
    const drained = { yet: false }
    leg.stream.once('drain', () => (drained.yet = true))
    for (let ms = 0; ms < 400; ms += 20) clock.move(20)
    await turns(5)
    expect(drained.yet).toBe(false)
    while (!drained.yet) {
      clock.move(100)
      await turns(1)
    }
    expect(peer.received.length).toBeGreaterThan(0)
  })

  test('pieces arrive one by one', async () => {
    const { leg, peer, clock, set } = await pair()
    set({ slice: { size: 3, delay: 10 } })
    leg.stream.write('abcdefg')
    expect(await peer.untilText('abc')).toBe('abc')
    clock.move(10)
    expect(await peer.untilText('def')).toBe('abcdef')
    clock.move(10)
    expect(await peer.untilText('g')).toBe('abcdefg')
  })

  test.for(['fin', 'rst'] as const)(
    'behind the last byte of a limit comes %s, and nothing that is written later',
    async (then, { skip }) => {
      skip(then === 'rst' && !tellsResetBehindData)
      const { leg, peer, set } = await pair()
      set({ limit: { bytes: 5, then } })
      leg.stream.write('abc')
      leg.stream.write('defg')
      leg.stream.write('hij')
      expect(await peer.ended()).toBe(then)
      expect(peer.text).toBe('abcde')
    },
  )

  test('many small writes that waited go on without a deep stack, in order', async () => {
    const { leg, peer, set } = await pair()
    set({ blackHole: true })
    let sent = ''
    for (let n = 0; n < 20_000; n++) {
      leg.stream.write(`${n},`)
      sent += `${n},`
    }
    await turns(3)
    set()
    leg.end()
    expect(await peer.ended()).toBe('fin')
    expect(peer.text === sent).toBe(true)
  })

  test('cut ends at once, and what was on its way is lost', async () => {
    const { leg, peer, set } = await pair()
    set({ blackHole: true })
    leg.stream.write('lost')
    leg.cut('fin')
    leg.stream.write('lost, too')
    expect(await peer.ended()).toBe('fin')
    expect(peer.text).toBe('')
  })
})
