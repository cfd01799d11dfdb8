import { text } from '@midwire/sdk'
import { useInterceptionProxy } from '@midwire/vitest-plugin'
import ReconnectingWebSocket, { type Options } from 'partysocket/ws'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { startServer } from './server.ts'

const server = await startServer()
afterAll(() => server[Symbol.asyncDispose]())

const proxy = useInterceptionProxy({ codec: text(), route: { 'chat.example.com': server.url } })

/** Waits 20, 40, 80 … ms between its attempts. */
function open(options: Options = {}): ReconnectingWebSocket {
  const socket = new ReconnectingWebSocket('wss://chat.example.com/room', [], {
    minReconnectionDelay: 20,
    reconnectionDelayGrowFactor: 2,
    maxReconnectionDelay: 1000,
    ...options,
  })
  onTestFinished(() => socket.close())
  return socket
}

test('what is sent before the loss is noticed is lost, and what is sent after it arrives once', async () => {
  const socket = open()
  const closed = new Promise(resolve => socket.addEventListener('close', resolve, { once: true }))
  const first = await proxy.waitForConnection()
  await new Promise(resolve => socket.addEventListener('open', resolve, { once: true }))

  first.terminate()
  socket.send('in flight') // the socket does not know yet
  await closed
  socket.send('queued')

  const arrived = await proxy.waitForServerMessage('queued')
  expect(arrived.connection.attempt).toBe(2)
  await arrived.connection.flushed()
  expect(proxy).toHaveSentInOrder(['queued'])
  await proxy.expectNoClientMessage('in flight')
  await proxy.expectNoServerMessage(/./, { after: arrived })
})

test('each attempt waits longer than the one before', async () => {
  const start = proxy.mark()
  proxy.onConnect({ host: 'chat.example.com' }).times(3).refuse()
  const socket = open()
  socket.send('at last')
  await proxy.waitForClientMessage('at last')

  const attempts = [...proxy.journal.read({ after: start.seq })].filter(event => event.kind === 'tcp').map(event => event.at)
  const pauses = attempts.slice(1).map((at, k) => at - attempts[k])
  expect(pauses).toHaveLength(3)
  // Timers may fire a millisecond early.
  for (const [k, least] of [20, 40, 80].entries()) expect(pauses[k]).toBeGreaterThan(least - 2)
})

test('a client that may try twice gives up after the third refusal', async () => {
  proxy.onConnect().refuse()
  const socket = open({ maxRetries: 2 })
  await proxy.waitFor(event => event.kind === 'tcp', { nth: 3 })
  await new Promise(resolve => socket.addEventListener('close', resolve, { once: true }))
  expect(socket.retryCount).toBe(2)
  expect(proxy.hosts).toEqual(['chat.example.com', 'chat.example.com', 'chat.example.com'])
})
