import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, channelOf, realtime, ways } from './on-the-wire.ts'
import { errorOf, Flag } from './protocol-message.ts'

const { proxy } = await ablyOnTheWire()

describe.each(ways)('in %s', (_, format) => {
  test('a client id that the connection has goes with no message', async () => {
    const sent = proxy
      .onClientMessage({ action: 'MESSAGE' })
      .observe(({ messages }) => expect(messages?.[0]).not.toHaveProperty('clientId'))
    const channel = channelOf(realtime({ ...format, clientId: 'me' }))
    await channel.attach()
    const received = new Promise<string | undefined>(resolve => void channel.subscribe(({ clientId }) => resolve(clientId)))
    await channel.publish('greeting', 'hello')

    expect(await received).toBe('me')
    expect(sent.hits).toBe(1)
  })

  test('a client id that a message is given goes with it, also on the first connection', async () => {
    const channel = channelOf(realtime({ ...format, clientId: 'me' }))
    await channel.publish({ name: 'greeting', data: 'hello', clientId: 'me' })

    const { value, connection } = await proxy.waitForClientMessage({ action: 'MESSAGE' })
    expect(value.messages).toMatchObject([{ clientId: 'me' }])
    expect(connection.attempt).toBe(1)
  })

  test('a channel that is attached anew asks for what came after its last message', async () => {
    const client = realtime(format)
    const channel = channelOf(client)
    const data: unknown[] = []
    const received = Promise.withResolvers<void>()
    await channel.subscribe(message => {
      data.push(message.data)
      received.resolve()
    })
    await channel.publish('greeting', 'hello')
    await received.promise
    const last = await proxy.waitForServerMessage({ action: 'MESSAGE' })
    last.connection.terminate()

    const again = await proxy.waitForClientMessage({ action: 'ATTACH' }, { nth: 2 })
    expect(again.connection.attempt).toBe(2)
    expect(again.value.channelSerial).toBe(last.value.channelSerial)
    const attached = await proxy.waitForServerMessage({ action: 'ATTACHED' }, { nth: 2 })
    expect(attached.value.flags! & Flag.RESUMED).toBeTruthy()
    expect(data).toEqual(['hello'])
  })

  test('a channel whose ATTACH is lost is suspended, and asks again', async () => {
    proxy.onClientMessage({ action: 'ATTACH' }).once().drop()
    const channel = channelOf(realtime({ ...format, realtimeRequestTimeout: 200, channelRetryTimeout: 10 }))

    await expect(channel.attach()).rejects.toMatchObject({ code: 90007, statusCode: 408 })
    expect(channel.state).toBe('suspended')
    await proxy.waitForClientMessage({ action: 'ATTACH' }, { nth: 2 })
    await channel.whenState('attached')
  })

  test('a channel that the server detaches is attached at once, and suspended if that is not answered', async () => {
    const channel = channelOf(realtime({ ...format, realtimeRequestTimeout: 200 }))
    await channel.attach()
    proxy.onClientMessage({ action: 'ATTACH' }).drop()
    const attaching = channel.once('attaching')
    const suspended = channel.once('suspended')
    proxy.connection.sendToClient({ action: 'DETACHED', channel: channel.name, error: errorOf(50000) })

    expect((await attaching).reason?.code).toBe(50000)
    expect((await suspended).reason?.code).toBe(90007)
  })

  test('a flag that the client never sets is set on its way: with ATTACH_RESUME the server does not rewind', async () => {
    const publisher = realtime(format)
    const channel = channelOf(publisher)
    await channel.publish('greeting', 'hello')
    const rewinding = { params: { rewind: '1' } }

    const first = realtime({ ...format, transportParams: { reader: 'first' } }).channels.get(channel.name, rewinding)
    await first.attach()
    const second = realtime({ ...format, transportParams: { reader: 'second' } }).channels.get(channel.name, rewinding)
    const wire = proxy.client({ query: { reader: 'second' } })
    wire.onClientMessage({ action: 'ATTACH' }).patch(message => ({ ...message, flags: (message.flags ?? 0) | Flag.ATTACH_RESUME }))
    await second.attach()
    // What the server answers to this comes behind all that it had to say.
    await second.detach()

    const backlog = await proxy.client({ query: { reader: 'first' } }).waitForServerMessage({ action: 'MESSAGE' })
    expect(backlog.value.messages).toMatchObject([{ name: 'greeting' }])
    await wire.expectNoServerMessage({ action: 'MESSAGE' })
  })
})
