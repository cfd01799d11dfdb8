import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import { startClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { startTestClock } from './test-clock.ts'

afterEach(() => void vi.useRealTimers())

const fires = (clock: Clock, ms: number): Promise<void> => new Promise(resolve => clock.after(ms, resolve))

test('with no fake timers it goes as real time does', async () => {
  const clock = startTestClock()
  const real = performance.now()
  await fires(clock, 5)
  expect(clock.now()).toBeGreaterThanOrEqual(4)
  expect(clock.now()).toBeLessThanOrEqual(performance.now() - real + 1)
})

test('under fake timers, time stands still until the test moves it', () => {
  vi.useFakeTimers()
  const clock = startTestClock()
  const order: string[] = []
  clock.after(120_000, () => order.push(`two minutes at ${clock.now()}`))
  clock.after(500, () => order.push(`half a second at ${clock.now()}`))
  clock.cancel(clock.after(10, () => order.push('cancelled')))
  expect(clock.now()).toBe(0)
  vi.advanceTimersByTime(119_999)
  expect(order).toEqual(['half a second at 500'])
  vi.advanceTimersByTime(1)
  expect(order).toEqual(['half a second at 500', 'two minutes at 120000'])
})

test('a timer that was set in real time follows the fake ones that are installed afterwards', async () => {
  const clock = startTestClock()
  const fired = fires(clock, 120_000)
  const before = clock.now()
  vi.useFakeTimers()
  vi.advanceTimersByTime(120_000)
  await fired
  expect(clock.now() - before).toBeGreaterThanOrEqual(120_000)
})

test('a timer that was set under fake timers goes on in real time when they are taken away', async () => {
  vi.useFakeTimers()
  const clock = startTestClock()
  const fired = fires(clock, 1000)
  vi.advanceTimersByTime(995)
  vi.useRealTimers()
  await fired
  expect(clock.now()).toBeGreaterThanOrEqual(999)
  expect(clock.now()).toBeLessThan(60_000)
})

test('a system time that the test sets, also back, moves nothing', () => {
  vi.useFakeTimers()
  const clock = startTestClock()
  vi.setSystemTime(0)
  expect(clock.now()).toBe(0)
  vi.advanceTimersByTime(7)
  vi.setSystemTime(1e15)
  expect(clock.now()).toBe(7)
})

test.each([{ toFake: ['setTimeout', 'clearTimeout'] as const }, { toFake: ['setTimeout', 'clearTimeout', 'Date'] as const }])(
  'where only $toFake are faked, its timers still tell the time',
  ({ toFake }) => {
    vi.useFakeTimers({ toFake: [...toFake] })
    const clock = startTestClock()
    let at = -1
    clock.after(60_000, () => (at = clock.now()))
    vi.advanceTimersByTime(60_000)
    expect(at).toBe(60_000)
  },
)

test('it never goes back, and no timer is early or lost, however fake timers come and go', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('install' as const) }),
    fc.record({ do: fc.constant('remove' as const) }),
    fc.record({ do: fc.constant('advance' as const), ms: fc.nat(5000) }),
    fc.record({ do: fc.constant('set' as const), ms: fc.nat(10_000) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async steps => {
      vi.useRealTimers()
      const clock = startTestClock()
      const fired: Promise<void>[] = []
      let latest = 0
      const look = (): void => {
        expect(clock.now()).toBeGreaterThanOrEqual(latest)
        latest = clock.now()
      }
      for (const one of steps) {
        look()
        if (one.do === 'install') vi.useFakeTimers()
        if (one.do === 'remove') vi.useRealTimers()
        if (one.do === 'advance' && vi.isFakeTimers()) vi.advanceTimersByTime(one.ms)
        if (one.do === 'set') {
          const due = clock.now() + one.ms
          // A real timer may be a fraction early.
          fired.push(fires(clock, one.ms).then(() => expect(clock.now()).toBeGreaterThanOrEqual(due - 1)))
        }
      }
      look()
      vi.useFakeTimers()
      look()
      vi.advanceTimersByTime(20_000)
      await Promise.all(fired)
      look()
    }),
    { numRuns: 40 },
  )
})

test('the real clock stands still for no fake timers', async () => {
  vi.useFakeTimers()
  const clock = startClock()
  await fires(clock, 2)
  expect(clock.now()).toBeGreaterThan(1)
})
