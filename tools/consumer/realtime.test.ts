import { json } from '@midwire/sdk'
import { useInterceptionProxy } from '@midwire/vitest-plugin'
import { afterAll, expect, test } from 'vitest'
import { Realtime } from './realtime.ts'
import type { ProtocolMessage } from './realtime.ts'
import { startServer } from './server.ts'

const server = await startServer()
afterAll(() => server.close())

const proxy = useInterceptionProxy({
  codec: json<ProtocolMessage>(),
  route: { 'main.realtime.example.com': server.url },
})

test('a lost MESSAGE is sent again on the next connection', async () => {
  proxy
    .onClientMessage(m => m.action === 'MESSAGE')
    .once()
    .drop()
    .thenTerminate()

  const client = new Realtime()
  const published = client.publish('hello')

  const resent = await proxy.waitForClientMessage({ action: 'MESSAGE' }, { nth: 2 })
  expect(resent.connection.attempt).toBe(2)
  expect(resent.value.msgSerial).toBe(0)
  await published
  expect(proxy).toHaveReceived({ action: 'ACK', msgSerial: 0 })
  // @ts-expect-error no such action
  expect(proxy).not.toHaveSent({ action: 'DETACH' })
  client.close()
})

// Its failure is what is looked at, and a client that it leaves behind connects again for ever.
test('a lost MESSAGE is never acknowledged', { timeout: 1500 }, async () => {
  proxy.onClientMessage({ action: 'MESSAGE' }).named('lose the message').drop()
  void new Realtime().publish('hello')
  await proxy.waitForServerMessage({ action: 'ACK' })
})
