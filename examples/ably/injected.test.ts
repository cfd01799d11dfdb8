import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, channelOf, formats, realtime } from './on-the-wire.ts'
import { type Action, errorOf, Flag, type ProtocolMessage } from './protocol-message.ts'

const { proxy } = await ablyOnTheWire()

describe.each(formats)('in %s', (_, format) => {
  test('ERROR on a channel fails the channel, and leaves the connection', async () => {
    const client = realtime(format)
    const channel = channelOf(client)
    await channel.attach()
    const failed = channel.once('failed')
    proxy.connection.sendToClient({ action: 'ERROR', channel: channel.name, error: errorOf(50000) })

    expect((await failed).reason?.code).toBe(50000)
    expect(client.connection.state).toBe('connected')
  })

  test('ATTACHED with an error while attached is an update that says so', async () => {
    const channel = channelOf(realtime(format))
    await channel.attach()
    const updated = channel.once('update')
    proxy.connection.sendToClient({
      action: 'ATTACHED',
      channel: channel.name,
      flags: Flag.BASIC_MODES,
      error: errorOf(50000),
    })

    expect(await updated).toMatchObject({ current: 'attached', resumed: false, reason: { code: 50000 } })
  })

  test.for<[Action, Partial<ProtocolMessage>]>([
    ['ATTACHED', { flags: Flag.BASIC_MODES | Flag.RESUMED }],
    ['MESSAGE', { messages: [] }],
    ['PRESENCE', { presence: [] }],
    ['OBJECT', { state: [] }],
    ['ANNOTATION', { annotations: [] }],
  ])('the channel serial of %s is where attaching goes on', async ([action, content]) => {
    const channel = channelOf(realtime(format))
    await channel.attach()
    proxy.connection.sendToClient({ ...content, action, channel: channel.name, channelSerial: 'from here on' })
    proxy.connection.sendToClient({ action: 'DETACHED', channel: channel.name })

    const again = await proxy.waitForClientMessage({ action: 'ATTACH' }, { nth: 2 })
    expect(again.value.channelSerial).toBe('from here on')
  })

  test('ERROR on the connection fails it, and all of its channels', async () => {
    const client = realtime(format)
    const channel = channelOf(client)
    await channel.attach()
    const failed = client.connection.once('failed')
    proxy.connection.sendToClient({ action: 'ERROR', error: errorOf(40100) })

    expect((await failed).reason?.code).toBe(40100)
    expect(channel.state).toBe('failed')
    await expect(channel.attach()).rejects.toMatchObject({ code: 40100 })
  })

  test('an action that nobody knows does no harm', async () => {
    const client = realtime(format)
    const channel = channelOf(client)
    await channel.attach()
    proxy.connection.sendToClient({ action: Number.MAX_SAFE_INTEGER, channel: channel.name })
    proxy.connection.sendToClient({
      action: 'MESSAGE',
      channel: channel.name,
      messages: [{ name: 'odd', action: Number.MAX_SAFE_INTEGER }],
    })
    await channel.publish('greeting', 'hello')

    expect(proxy).toHaveReceived({ action: Number.MAX_SAFE_INTEGER })
    expect(proxy).toHaveReceived({ messages: [{ action: Number.MAX_SAFE_INTEGER }] })
    expect(client.connection.state).toBe('connected')
  })

  test('bytes that are no protocol message do no harm', async () => {
    const client = realtime(format)
    await client.connection.whenState('connected')
    proxy.connection.sendRawToClient(format.useBinaryProtocol ? new Uint8Array([0xc1]) : '{bad')

    await client.connection.ping()
    expect(proxy).toHaveConnected(1)
  })

  test('a message that overtakes DETACHED is not delivered to a channel that is attaching', async () => {
    const channel = channelOf(realtime(format))
    const received: unknown[] = []
    await channel.subscribe(message => received.push(message.data))
    await channel.publish('0', 'first')
    await (
      await proxy.waitForServerMessage({ action: 'MESSAGE' })
    ).whenDelivered
    await proxy.connection.flushed({ to: 'client' })

    proxy.onClientMessage({ action: 'ATTACH' }).drop()
    proxy.connection.sendToClient({ action: 'DETACHED', channel: channel.name })
    await channel.publish('1', 'second')
    await (
      await proxy.waitForServerMessage({ action: 'MESSAGE' }, { nth: 2 })
    ).whenDelivered
    await proxy.connection.flushed({ to: 'client' })
    expect(channel.state).toBe('attaching')
    expect(received).toEqual(['first'])
  })
})
