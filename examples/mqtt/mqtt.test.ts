import { mqtt } from '@midwire/sdk/mqtt'
import { useInterceptionProxy } from '@midwire/vitest-plugin'
import { connectAsync } from 'mqtt'
import type { IClientOptions, MqttClient } from 'mqtt'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { startBroker } from './broker.ts'

const broker = await startBroker()
afterAll(() => broker[Symbol.asyncDispose]())

const proxy = useInterceptionProxy({ codec: mqtt(), route: { 'broker.example.com': broker.url } })

/** The client of the application: it keeps its session, and connects again at once. */
async function open(clientId: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectAsync('wss://broker.example.com/mqtt', { clientId, clean: false, reconnectPeriod: 1, ...options })
  onTestFinished(() => client.endAsync(true))
  return client
}

/** What a subscriber gets, in order. */
async function listen(topic: string): Promise<readonly string[]> {
  const received: string[] = []
  const client = await open(`listener of ${topic}`)
  client.on('message', (_topic, payload) => received.push(payload.toString()))
  await client.subscribeAsync(topic, { qos: 2 })
  return received
}

// MQTT 3.1.1 §4.3.2: "the sender MUST treat the PUBLISH packet as unacknowledged until it has received the corresponding PUBACK"
test('QoS 1: a PUBLISH whose PUBACK is lost is sent again with the same messageId, and acknowledged once', async () => {
  proxy.onServerMessage({ cmd: 'puback' }).once().drop().thenTerminate()
  const client = await open('publisher 1')
  let acknowledged = 0
  const published = new Promise<void>((resolve, reject) => {
    client.publish('one', 'hello', { qos: 1 }, error => {
      acknowledged++
      if (error) reject(error)
      else resolve()
    })
  })

  const first = await proxy.waitForClientMessage({ cmd: 'publish' })
  const again = await proxy.waitForClientMessage({ cmd: 'publish' }, { nth: 2 })
  expect(again.connection.attempt).toBe(2)
  expect(again.value.messageId).toBe(first.value.messageId)
  await published
  expect(acknowledged).toBe(1)
})

// §4.3.3: "the sender MUST NOT re-send the PUBLISH once it has sent the corresponding PUBREL packet"
test('QoS 2: where PUBCOMP is lost, PUBREL is sent again and not PUBLISH: it is delivered once', async () => {
  const received = await listen('two')
  const publisher = proxy.client({ attempt: 2 })
  publisher.onServerMessage({ cmd: 'pubcomp' }).once().drop().thenTerminate()
  const client = await open('publisher 2')
  await client.publishAsync('two', 'hello', { qos: 2 })
  await client.publishAsync('two', 'end', { qos: 2 })

  const pubrel = { cmd: 'pubrel' } as const
  const first = await publisher.waitForClientMessage(pubrel)
  const again = await proxy.waitForClientMessage(pubrel, { after: await proxy.waitForConnection({ attempt: 3 }) })
  expect(again.value.messageId).toBe(first.value.messageId)
  const end = await proxy.waitForServerMessage({ cmd: 'publish', payload: Buffer.from('end') })
  await end.whenDelivered
  await end.connection.flushed()
  expect(received).toEqual(['hello', 'end'])
  await proxy.expectNoClientMessage({ cmd: 'publish', payload: Buffer.from('hello') }, { after: first })
})

// §3.1.2.10: a client that hears no PINGRESP "SHOULD close the Network Connection to the Server"
test('a connection that has gone silent is given up after a keep-alive', async () => {
  const client = await open('silent', { keepalive: 1, reconnectPeriod: 0 })
  const lost = new Promise<Error>(resolve => client.once('error', resolve))
  proxy.connection.freeze()
  expect((await lost).message).toBe('Keepalive timeout')
  proxy.connection.thaw()
})
