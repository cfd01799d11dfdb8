import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, channelOf, type Options, realtime } from './on-the-wire.ts'
import { errorOf } from './protocol-message.ts'

const { proxy } = await ablyOnTheWire()

/** Long polling, for where WebSockets do not get through: protocol messages in the bodies of HTTP requests and responses, always JSON. */
const comet: Options = { transports: ['comet'] }

describe('over comet the same rules and waits hold', () => {
  test('a message is seen on its way to the server, and its ACK on its way back', async () => {
    await channelOf(realtime(comet)).publish('greeting', 'hello')

    const sent = await proxy.waitForClientMessage({ action: 'MESSAGE' })
    expect(sent.value).toMatchObject({ msgSerial: 0, messages: [{ name: 'greeting' }] })
    const acknowledged = await proxy.waitForServerMessage({ action: 'ACK' })
    expect(acknowledged.connection).toBe(sent.connection)
    expect(sent.connection).toMatchObject({ transport: 'lines', path: '/comet/connect' })
  })

  test('a channel whose ATTACHED never comes is suspended, and tries again', async () => {
    proxy.onServerMessage({ action: 'ATTACHED' }).once().drop()
    const channel = channelOf(realtime({ ...comet, realtimeRequestTimeout: 300, channelRetryTimeout: 10 }))

    await expect(channel.attach()).rejects.toMatchObject({ code: 90007, statusCode: 408 })
    await proxy.waitForClientMessage({ action: 'ATTACH' }, { nth: 2 })
    await channel.whenState('attached')
  })

  test('a message is lost, and another put in its place', async () => {
    const lost = proxy.onClientMessage({ action: 'MESSAGE', messages: [{ name: 'lost' }] }).drop()
    proxy.onServerMessage({ action: 'MESSAGE' }).patch(message => ({ ...message, messages: [{ name: 'patched' }] }))
    const channel = channelOf(realtime(comet))
    await channel.attach()
    const received = new Promise<string | undefined>(resolve => void channel.subscribe(({ name }) => resolve(name)))
    channel.publish('lost', null).catch(() => {}) // never acknowledged: it fails when the client is closed
    await lost.waitForHit()
    await channel.publish('kept', null)

    expect(await received).toBe('patched')
  })

  test('DETACHED while attaching suspends the channel', async () => {
    const error = errorOf(50000, 'generic serverside failure')
    proxy.onClientMessage({ action: 'ATTACH' }).reply(({ channel = '' }) => ({ action: 'DETACHED', channel, error }))
    const channel = channelOf(realtime(comet))

    await expect(channel.attach()).rejects.toMatchObject({ code: 50000 })
    expect(channel.state).toBe('suspended')
  })

  test('an ACK is held, and released', async () => {
    const acks = proxy.onServerMessage({ action: 'ACK' }).hold()
    let isDone = false
    const published = channelOf(realtime(comet))
      .publish('greeting', 'hello')
      .then(() => (isDone = true))
    await acks.next()
    expect(isDone).toBe(false)
    acks.releaseAll()
    await published
  })

  test('ERROR on the connection fails it, and all of its channels', async () => {
    const client = realtime(comet)
    const channel = channelOf(client)
    await channel.attach()
    const failed = client.connection.once('failed')
    proxy.connection.sendToClient({ action: 'ERROR', error: errorOf(40100) })

    expect((await failed).reason?.code).toBe(40100)
    expect(channel.state).toBe('failed')
  })
})
