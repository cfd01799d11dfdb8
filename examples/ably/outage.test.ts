import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, channelOf, formats, type Options, primary, realtime } from './on-the-wire.ts'

const { proxy, server } = await ablyOnTheWire()

/** Impatient enough for a test, in ms. */
const quick: Options = { disconnectedRetryTimeout: 20, suspendedRetryTimeout: 20 }

/** What the server promises to remember, in ms: after that a connection without network is suspended. */
function shortMemory(ms = 150): void {
  proxy.onServerMessage({ action: 'CONNECTED' }).patch({ connectionDetails: { connectionStateTtl: ms } })
}

describe.each(formats)('in %s', (_, format) => {
  test('what is published during an outage arrives when the connection is resumed', async () => {
    const client = realtime({ ...format, ...quick })
    const channel = channelOf(client)
    const received: unknown[] = []
    await channel.subscribe(message => received.push(message.data))
    const { id, key } = client.connection
    const disconnected = client.connection.once('disconnected')
    await proxy.offline(async () => {
      await disconnected
      for (let n = 0; n < 5; n++) server.hub.channel(channel.name).publish([{ data: n }], { id: `during-${n}` })
    })
    await client.connection.whenState('connected')

    const last = await proxy.waitForServerMessage({ action: 'MESSAGE' }, { nth: 5 })
    await last.connection.flushed({ to: 'client' })
    expect(received).toEqual([0, 1, 2, 3, 4])
    expect(last.connection.query['resume']).toBe(key)
    expect(client.connection.id).toBe(id)
  })

  test('a connection that an outage has suspended still asks to be resumed', async () => {
    shortMemory()
    const client = realtime({ ...format, ...quick })
    const channel = channelOf(client)
    await channel.attach()
    const { id, key } = client.connection
    const suspended = client.connection.once('suspended')
    await proxy.offline(() => suspended)
    expect(channel.state).toBe('suspended')
    await channel.whenState('attached')

    expect((await proxy.waitForConnection(({ attempt }) => attempt > 1)).query['resume']).toBe(key)
    expect(client.connection.id).toBe(id)
  })

  test('a connection that the server has forgotten begins anew after an outage, and attaches its channels', async () => {
    shortMemory()
    proxy
      .onConnect(({ query }) => 'resume' in query)
      .rewrite(request => {
        request.query['resume'] = 'forgotten!1'
      })
    const client = realtime({ ...format, ...quick })
    const channel = channelOf(client)
    await channel.attach()
    const { id } = client.connection
    const suspended = client.connection.once('suspended')
    const connected = client.connection.once('connected')
    await proxy.offline(() => suspended)

    expect((await connected).reason?.code).toBe(80018)
    expect(client.connection.id).not.toBe(id)
    await channel.whenState('attached')
  })

  test('what was sent and not acknowledged fails when an outage suspends the connection', async () => {
    shortMemory()
    const acks = proxy.onServerMessage({ action: 'ACK' }).drop()
    const client = realtime({ ...format, ...quick })
    const suspended = client.connection.once('suspended')
    const published = channelOf(client).publish('foo', 'bar')
    await acks.waitForHit()

    await proxy.offline(async () => {
      await expect(published).rejects.toMatchObject({ code: 80002 })
      await suspended
    })
  })

  test('nothing is attached while suspended; afterwards an attach that is not answered suspends the channel again', async () => {
    shortMemory()
    const client = realtime({ ...format, ...quick, realtimeRequestTimeout: 200 })
    const channel = channelOf(client)
    await channel.attach()
    const suspended = client.connection.once('suspended')
    const attached = proxy.mark()
    await proxy.offline(async () => {
      expect((await suspended).reason?.code).toBe(80002)
      await expect(channel.attach()).rejects.toMatchObject({ code: 80002 })
      expect(channel.state).toBe('suspended')
      await proxy.expectNoClientMessage({ action: 'ATTACH' }, { after: attached })
    })

    proxy.onClientMessage({ action: 'ATTACH' }).drop()
    const attaching = channel.once('attaching')
    const again = channel.once('suspended')
    await attaching
    expect((await again).reason?.code).toBe(90007)
  })

  test('who loses the network keeps those present in mind, and learns afterwards who has left', async () => {
    const options = { ...format, ...quick }
    const main = proxy.client({ query: { clientId: 'main' } })
    main.onServerMessage({ action: 'CONNECTED' }).patch({ connectionDetails: { connectionStateTtl: 150 } })
    const client = realtime({ ...options, clientId: 'main' })
    const channel = channelOf(client)
    const left = new Promise(resolve => void channel.presence.subscribe('leave', resolve))
    await channel.presence.subscribe(() => {})
    const staying = realtime({ ...options, clientId: 'staying' }).channels.get(channel.name).presence
    const leaving = realtime({ ...options, clientId: 'leaving' }).channels.get(channel.name).presence
    await staying.enter()
    await leaving.enter()
    const last = await main.waitForServerMessage({ action: 'PRESENCE', presence: [{ clientId: 'leaving' }] })
    await last.connection.flushed({ to: 'client' })

    const suspended = client.connection.once('suspended')
    const cut = main.onConnect().reset()
    last.connection.terminate()
    await suspended
    await leaving.leave()
    const kept = await channel.presence.get({ waitForSync: false })
    expect(kept.map(({ clientId }) => clientId).sort()).toEqual(['leaving', 'staying'])

    cut.dispose()
    expect(await left).toMatchObject({ clientId: 'leaving' })
    expect(await channel.presence.get()).toMatchObject([{ clientId: 'staying' }])
    expect(proxy.client({ query: { clientId: 'staying' } })).toHaveConnected(1)
  })

  test('without a network the client tries again at growing intervals', async () => {
    const refused = proxy.onConnect().refuse()
    const client = realtime({ ...format, disconnectedRetryTimeout: 60, fallbackHosts: [] })
    const states: string[] = []
    const retryIn: number[] = []
    client.connection.on(change => {
      states.push(change.current)
      if (change.retryIn !== undefined && change.current === 'disconnected') retryIn.push(change.retryIn)
    })
    await refused.waitForHit(4)

    expect(states.slice(0, 4)).toEqual(['connecting', 'disconnected', 'connecting', 'disconnected'])
    expect(new Set(proxy.hosts)).toEqual(new Set([primary]))
    // 1, 4/3 and 5/3 of the option, less up to a fifth.
    for (const [index, factor] of [1, 4 / 3, 5 / 3].entries()) {
      expect(retryIn[index]).toBeGreaterThanOrEqual(60 * factor * 0.8 - 1)
      expect(retryIn[index]).toBeLessThanOrEqual(60 * factor)
    }
  })

  test('without a network the client is suspended in the end, and still tries', async () => {
    proxy.onConnect().refuse()
    const client = realtime({ ...format, ...quick, connectionStateTtl: 60 })

    expect((await client.connection.once('suspended')).reason?.code).toBe(80002)
    await client.connection.once('connecting')
    await client.connection.once('suspended')
    expect(proxy).not.toHaveConnected()
  })

  test('a client that starts without a network connects once there is one', async () => {
    const client = await proxy.offline(async () => {
      const early = realtime({ ...format, ...quick })
      await early.connection.once('disconnected')
      return early
    })
    expect(proxy).not.toHaveConnected()

    await client.connection.whenState('connected')
    expect(proxy).toHaveConnected(1)
  })
})
