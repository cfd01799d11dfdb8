import { setImmediate as turn } from 'node:timers/promises'
import { text } from '@midwire/sdk'
import { useInterceptionProxy } from '@midwire/vitest-plugin'
import ReconnectingWebSocket from 'partysocket/ws'
import { afterAll, afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { startServer } from './server.ts'

const server = await startServer()
afterAll(() => server[Symbol.asyncDispose]())

const proxy = useInterceptionProxy({ codec: text(), route: { 'chat.example.com': server.url }, clock: 'test' })

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'] }))
afterEach(() => void vi.useRealTimers())

const step = 250

/** Lets time pass until this has come: a step at a time, with turns in between for what is real. */
async function passUntil<T>(awaited: Promise<T>): Promise<T> {
  const met = new AbortController()
  const settled = (): void => met.abort()
  awaited.then(settled, settled)
  while (!met.signal.aborted) {
    await vi.advanceTimersByTimeAsync(step)
    for (let n = 0; n < 5; n++) await turn()
  }
  return awaited
}

test('ten minutes of back-off: each pause twice as long as the one before, up to two minutes', async () => {
  proxy.onConnect({ host: 'chat.example.com' }).times(8).unreachable()
  const socket = new ReconnectingWebSocket('wss://chat.example.com/room', [], {
    minReconnectionDelay: 10_000,
    reconnectionDelayGrowFactor: 2,
    maxReconnectionDelay: 120_000,
  })
  onTestFinished(() => socket.close())
  const start = proxy.mark()
  await passUntil(proxy.waitForConnection())

  const attempts = [...proxy.journal.read({ after: start.seq })].filter(event => event.kind === 'tcp').map(event => event.at)
  const pauses = attempts.slice(1).map((at, k) => at - attempts[k])
  expect(pauses.map(pause => Math.round(pause / 1000))).toEqual([10, 20, 40, 80, 120, 120, 120, 120])
})
