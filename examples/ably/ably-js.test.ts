import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, channelOf, fallback, realtime, rest, ways } from './on-the-wire.ts'
import { errorOf } from './protocol-message.ts'

const { proxy } = await ablyOnTheWire()

// Eight tests of ably-js, one to one. Above each stands what its spy version does to the client from within.
describe.each(ways)('in %s', (_, format) => {
  // connectionQueuing: transport.send = swallow MESSAGE; connectionManager.disconnectAllTransports();
  // connectionManager.once('transport.pending', next => (next.send = check serials, then the real send))
  test('a message that was never acknowledged is sent again first, with its serial, and alone', async () => {
    proxy.onClientMessage({ action: 'MESSAGE' }).once().drop().thenTerminate()
    const client = realtime(format)
    const channel = channelOf(client)
    await channel.attach()
    const disconnected = client.connection.once('disconnected')
    const first = channel.publish('first', null)
    await disconnected
    const second = channel.publish('second', null)

    const again = await proxy.waitForClientMessage({ action: 'MESSAGE' }, { nth: 2 })
    const next = await proxy.waitForClientMessage({ action: 'MESSAGE' }, { nth: 3 })
    expect(again.connection.attempt).toBe(2)
    expect(again.value).toMatchObject({ msgSerial: 0, messages: [{ name: 'first' }] })
    expect(next.value).toMatchObject({ msgSerial: 1, messages: [{ name: 'second' }] })
    await Promise.all([first, second])
  })

  // attach_timeout: channel.processMessage = drop ATTACHED; options.timeouts.realtimeRequestTimeout = 2000
  test('a channel whose ATTACHED never comes is suspended, and tries again', async () => {
    proxy.onServerMessage({ action: 'ATTACHED' }).once().drop()
    const channel = channelOf(realtime({ ...format, realtimeRequestTimeout: 300, channelRetryTimeout: 10 }))

    await expect(channel.attach()).rejects.toMatchObject({ code: 90007, statusCode: 408 })
    expect(channel.state).toBe('suspended')
    await proxy.waitForClientMessage({ action: 'ATTACH' }, { nth: 2 })
    await channel.whenState('attached')
  })

  // idle_transport_timeout: on 'transport.pending', transport.onProtocolMessage = rewrite maxIdleInterval, then the real one
  test('a connection that is silent for too long counts as lost', async () => {
    proxy
      .onServerMessage({ action: 'CONNECTED' })
      .once()
      .patch({ connectionDetails: { maxIdleInterval: 100 } })
    const client = realtime({ ...format, realtimeRequestTimeout: 300 })

    await client.connection.whenState('connected')
    const { key } = client.connection
    const { reason } = await client.connection.once('disconnected')
    expect(reason).toMatchObject({ code: 80003, statusCode: 408 })
    const resumed = await proxy.waitForConnection(({ query }) => 'resume' in query)
    expect(resumed.query['resume']).toBe(key)
  })

  // mocked_reauth: transport.onProtocolMessage({ action: 17 }); transport.send = wait for action 17, and swallow it
  test('a client that is asked to authenticate anew sends a new token', async () => {
    const tokens: string[] = []
    const issuer = rest(format)
    const client = realtime({
      ...format,
      authCallback: async (params, callback) => {
        const details = await issuer.auth.requestToken(params)
        tokens.push(details.token)
        callback(null, details)
      },
    })
    await client.connection.whenState('connected')
    const updated = client.connection.once('update')
    proxy.connection.sendToClient({ action: 'AUTH' })

    const auth = await proxy.waitForClientMessage({ action: 'AUTH' })
    expect(tokens).toHaveLength(2)
    expect(auth.value.auth).toEqual({ accessToken: tokens[1] })
    await updated // the fake took the token
  })

  // server_sent_detached_while_attaching: channel.send = msg => { expect(msg.action).to.equal(10); transport.onProtocolMessage({ action: 13, error }) }
  test('DETACHED while attaching suspends the channel', async () => {
    const error = errorOf(50000, 'generic serverside failure')
    proxy.onClientMessage({ action: 'ATTACH' }).reply(({ channel = '' }) => ({ action: 'DETACHED', channel, error }))
    const channel = channelOf(realtime(format))

    await expect(channel.attach()).rejects.toMatchObject({ code: 50000 })
    expect(channel.state).toBe('suspended')
  })

  // attached_while_detaching: channel.send = msg => { expect(msg.action).to.equal(12); count to 2 }; transport.onProtocolMessage({ action: 11 })
  test('ATTACHED while detaching makes the client ask to detach again, and not to attach', async () => {
    const detaches = proxy.onClientMessage({ action: 'DETACH' }).times(2).drop()
    const channel = channelOf(realtime(format))
    await channel.attach()
    const detached = channel.detach()
    const first = await detaches.waitForHit()
    first.connection.sendToClient({ action: 'ATTACHED', channel: channel.name })

    const second = await proxy.waitForClientMessage({ action: 'DETACH' }, { nth: 2 })
    expect(channel.state).toBe('detaching')
    await proxy.expectNoClientMessage({ action: 'ATTACH' }, { after: first, until: second })
    first.connection.sendToClient({ action: 'DETACHED', channel: channel.name })
    await detached
  })

  // nack_of_sent_message_on_connection_failed: transport.onProtocolMessage = drop ACK, else the real one;
  // after a tick, transport.onProtocolMessage({ action: 9, error })
  test('what was sent and not acknowledged fails with the connection', async () => {
    const error = errorOf(40100, 'connection failed because reasons')
    proxy.onServerMessage({ action: 'ACK' }).once().drop().thenSendToClient({ action: 'ERROR', error })
    const client = realtime(format)
    const channel = channelOf(client)
    await channel.attach()

    await expect(channel.publish('foo', 'bar')).rejects.toMatchObject({ code: 40100 })
    expect(client.connection.state).toBe('failed')
  })

  // try_fallback_hosts_on_placement_constraint: transport.onProtocolMessage({ action: 6, error }), and an echo server as the only fallback
  // host, to which connecting fails
  test('a server that has no place for a connection sends its client to a fallback host', async () => {
    const client = realtime(format)
    await client.connection.whenState('connected')
    const key = client.connection.key
    proxy.connection.sendToClient({ action: 'DISCONNECTED', error: errorOf(50320, 'no place') })

    const elsewhere = await proxy.waitForConnection({ host: fallback })
    expect(elsewhere.query['resume']).toBe(key)
    await client.connection.whenState('connected')
    expect(proxy).toHaveConnected(2)
  })
})
