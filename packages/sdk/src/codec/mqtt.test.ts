import { Aedes } from 'aedes'
import * as fc from 'fast-check'
import { connectAsync } from 'mqtt'
import type { IClientOptions, MqttClient } from 'mqtt'
import { generate } from 'mqtt-packet'
import type { Packet } from 'mqtt-packet'
import { describe, expect, test } from 'vitest'
import { createWebSocketStream } from 'ws'
import { checkReceived } from '../checks.ts'
import { startInterceptionProxy } from '../start.ts'
import { CodecReader, expectStreamLaws } from '../testing/codec-reader.ts'
import { startSocketServer } from '../testing/socket-server.ts'
import { mqtt } from './mqtt.ts'
import type { MqttPacket } from './mqtt.ts'

const topic = fc.stringMatching(/^[a-z/]{1,20}$/)
const messageId = fc.integer({ min: 1, max: 65_535 })
const payload = fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes))
const qos = fc.constantFrom(1 as const, 2 as const)

/** What a client may send after its CONNECT, as the codec gives it. */
const packets: fc.Arbitrary<Packet> = fc.oneof(
  fc.record({ cmd: fc.constant('publish' as const), topic, payload, qos, messageId, dup: fc.boolean(), retain: fc.boolean() }),
  fc.record({
    cmd: fc.constant('publish' as const),
    topic,
    payload,
    qos: fc.constant(0 as const),
    dup: fc.constant(false),
    retain: fc.boolean(),
  }),
  fc.record({ cmd: fc.constantFrom('puback' as const, 'pubrec' as const, 'pubrel' as const, 'pubcomp' as const), messageId }),
  fc.record({ cmd: fc.constantFrom('pingreq' as const, 'pingresp' as const, 'disconnect' as const) }),
)

describe('any chunking of a stream of packets', () => {
  test('gives the packets that mqtt-packet wrote, byte for byte, and reads what it writes itself', () => {
    const messages = fc.array(packets).map(sent => sent.map(value => ({ value, bytes: generate(value) })))
    expectStreamLaws({ codec: mqtt, messages })
  })

  test('of MQTT 5, in both directions, as the CONNECT of the client says', () => {
    const client = new CodecReader(mqtt())
    client.push(generate({ cmd: 'connect', clientId: 'a', protocolId: 'MQTT', protocolVersion: 5, clean: true, keepalive: 0 }))
    const server = new CodecReader(mqtt(), { from: 'server', peer: client.state })
    const connack: MqttPacket = { cmd: 'connack', reasonCode: 0, sessionPresent: false, properties: { receiveMaximum: 10 } }
    server.push(generate(connack, { protocolVersion: 5 }))
    expect(client.values).toMatchObject([{ cmd: 'connect', clientId: 'a', protocolVersion: 5 }])
    expect(server.values).toEqual([connack])
    expect(server.encode(connack)).toEqual([generate(connack, { protocolVersion: 5 })])
  })
})

test('a packet that is broken within its length does not decode, and those beside it do', () => {
  const reader = new CodecReader(mqtt())
  const ping = generate({ cmd: 'pingreq' })
  reader.push(Buffer.concat([ping, Buffer.of(0x36, 0x02, 0x00, 0x00), ping]))
  expect(reader.messages.map(({ undecodable }) => undecodable)).toEqual([undefined, expect.stringContaining('QoS'), undefined])
})

test('what is no stream of packets is refused', () => {
  expect(new CodecReader(mqtt()).push(Buffer.of(0x30, 0xff, 0xff, 0xff, 0xff, 0x01)).messages).toEqual([
    expect.objectContaining({ undecodable: 'a length of more than 4 bytes' }),
  ])
})

test('a packet that cannot be written is an error', () => {
  expect(() => new CodecReader(mqtt()).encode({ cmd: 'puback', messageId: 70_000 })).toThrow()
  expect(() =>
    new CodecReader(mqtt()).encode({ cmd: 'publish', topic: 5 as never, payload: '', qos: 0, dup: false, retain: false }),
  ).toThrow('Invalid topic')
})

describe('a real client and broker', () => {
  async function startBroker(): Promise<{ url: string } & AsyncDisposable> {
    const broker = await Aedes.createBroker()
    const server = await startSocketServer(socket => broker.handle(createWebSocketStream(socket), undefined))
    return {
      url: server.url,
      async [Symbol.asyncDispose]() {
        await new Promise<void>(resolve => broker.close(() => resolve()))
        await server[Symbol.asyncDispose]()
      },
    }
  }

  async function open(options: IClientOptions = {}): Promise<MqttClient & AsyncDisposable> {
    const client = await connectAsync('ws://broker.example.com/mqtt', { reconnectPeriod: 1, ...options })
    return Object.assign(client, { [Symbol.asyncDispose]: () => client.endAsync(true) })
  }

  test('a publish that is lost with its connection is sent again, with the same messageId', async () => {
    await using broker = await startBroker()
    await using proxy = await startInterceptionProxy({ codec: mqtt(), route: { 'broker.example.com': broker.url } })
    proxy.onClientMessage({ cmd: 'publish', qos: 1 }).once().drop().thenTerminate()

    await using client = await open()
    await client.publishAsync('a/b', 'hello', { qos: 1 })

    const first = await proxy.waitForClientMessage({ cmd: 'publish' })
    const again = await proxy.waitForClientMessage({ cmd: 'publish' }, { nth: 2 })
    expect(again.connection.attempt).toBe(2)
    expect(again.value).toEqual(first.value)
  })

  test('one packet of several in a frame is dropped, and the client gets the others', async () => {
    await using broker = await startBroker()
    await using proxy = await startInterceptionProxy({ codec: mqtt(), route: { 'broker.example.com': broker.url } })
    await using client = await open()
    await client.subscribeAsync('#', { qos: 0 })
    const received: string[] = []
    const two = new Promise<void>(resolve => {
      client.on('message', name => {
        if (received.push(name) === 2) resolve()
      })
    })

    proxy.onClientMessage({ cmd: 'publish', topic: 'b' }).drop()
    const packet = (name: string): Buffer => generate({ cmd: 'publish', topic: name, payload: name, qos: 0, dup: false, retain: false })
    const frame = Buffer.concat(['a', 'b', 'c'].map(packet))
    client.stream.write(frame)
    await two
    expect(received).toEqual(['a', 'c'])
  })

  test('a PUBACK for another packet acknowledges nothing', async () => {
    await using broker = await startBroker()
    await using proxy = await startInterceptionProxy({ codec: mqtt(), route: { 'broker.example.com': broker.url } })
    proxy
      .onServerMessage({ cmd: 'puback' })
      .once()
      .patch(ack => ({ ...ack, messageId: Number(ack.messageId) + 1 }))

    await using client = await open()
    let acknowledged = false
    const published = client.publishAsync('a', 'hello', { qos: 1 }).then(() => (acknowledged = true))
    const puback = await proxy.waitForServerMessage({ cmd: 'puback' })
    await puback.whenDelivered
    await proxy.connection.flushed()
    expect(acknowledged).toBe(false)
    expect(proxy.transcript()).toContain('cmd: "puback"')
    proxy.connection.sendToClient(puback.value)
    await published
  })

  test('MQTT 5 is spoken with a scripted broker', async () => {
    await using proxy = await startInterceptionProxy({ codec: mqtt(), upstream: 'none' })
    proxy.onConnect().accept()
    proxy.onClientMessage({ cmd: 'connect', protocolVersion: 5 }).reply({ cmd: 'connack', reasonCode: 0, sessionPresent: false })
    proxy
      .onClientMessage({ cmd: 'publish', qos: 1 })
      .reply(({ messageId: id }) => ({ cmd: 'puback', messageId: id ?? 0, reasonCode: 0x87 }))
    await using client = await open({ protocolVersion: 5 })
    expect(checkReceived(proxy, { cmd: 'connack', reasonCode: 0 }).pass).toBe(true)
    await expect(client.publishAsync('a', 'hello', { qos: 1 })).rejects.toMatchObject({ code: 0x87 })
  })
})
