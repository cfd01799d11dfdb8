import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, channelOf, formats, realtime } from './on-the-wire.ts'
import { errorOf } from './protocol-message.ts'

const { proxy } = await ablyOnTheWire()

describe.each(formats)('in %s', (_, format) => {
  test('attaching is tried at growing intervals', async () => {
    proxy.onServerMessage({ action: 'ATTACHED' }).drop()
    const channel = channelOf(realtime({ ...format, realtimeRequestTimeout: 100, channelRetryTimeout: 90 }))
    await expect(channel.attach()).rejects.toMatchObject({ code: 90007 })

    const at: number[] = []
    for (let nth = 1; nth <= 4; nth++) at.push((await proxy.waitForClientMessage({ action: 'ATTACH' }, { nth })).at)
    // The timeout, then 1, 4/3 and 5/3 of the option, less up to a fifth; a slow machine makes it only longer.
    const least = [100 + 72, 100 + 96, 100 + 120]
    for (const [index, ms] of least.entries()) expect(at[index + 1] - at[index]).toBeGreaterThan(ms - 20)
  })

  test('what was sent and not acknowledged fails when the connection is closed', async () => {
    const acks = proxy.onServerMessage({ action: 'ACK' }).drop()
    const client = realtime(format)
    const published = channelOf(client).publish('foo', 'bar')
    await acks.waitForHit()
    client.close()

    await expect(published).rejects.toMatchObject({ code: 80017 })
    expect(client.connection.state).toBe('closed')
  })

  test('what is queued while CONNECTED is missing is never sent, and fails when the connection is closed', async () => {
    const withheld = proxy.onServerMessage({ action: 'CONNECTED' }).drop()
    const client = realtime(format)
    const published = channelOf(client).publish('foo', 'bar')
    await withheld.waitForHit()
    client.close()

    await expect(published).rejects.toMatchObject({ code: 80017 })
    await proxy.expectNoClientMessage({ action: 'MESSAGE' })
  })

  test('what is queued while CONNECTED is missing is never sent, and fails when the connection fails', async () => {
    const error = errorOf(40100, 'connection failed because reasons')
    proxy.onServerMessage({ action: 'CONNECTED' }).drop().thenSendToClient({ action: 'ERROR', error })
    const client = realtime(format)

    await expect(channelOf(client).publish('foo', 'bar')).rejects.toMatchObject({ code: 40100 })
    expect(client.connection.state).toBe('failed')
    await proxy.expectNoClientMessage({ action: 'MESSAGE' })
  })

  test('what is queued while CONNECTED is missing is never sent, and fails when the connection is suspended', async () => {
    // On a busy machine the client may be suspended before CONNECTED has come at all.
    proxy.onServerMessage({ action: 'CONNECTED' }).optional().drop()
    const client = realtime({ ...format, connectionStateTtl: 200 })
    const suspended = client.connection.once('suspended')

    await expect(channelOf(client).publish('foo', 'bar')).rejects.toMatchObject({ code: 80002 })
    await suspended
    await proxy.expectNoClientMessage({ action: 'MESSAGE' })
  })

  test('a second CONNECTED changes the limits of the connection, and who the client is', async () => {
    const client = realtime(format)
    const channel = channelOf(client)
    await channel.attach()
    const updated = client.connection.once('update')
    proxy.connection.sendToClient({
      action: 'CONNECTED',
      connectionId: client.connection.id!,
      connectionDetails: { clientId: 'foo', maxMessageSize: 20, connectionStateTtl: 12_345 },
    })
    await updated

    expect(client.auth.clientId).toBe('foo')
    await channel.publish('short', null)
    await expect(channel.publish('long', 'more than twenty bytes')).rejects.toMatchObject({ code: 40009 })
  })

  test('how long a second CONNECTED promises to remember is when a lost connection is suspended', async () => {
    const client = realtime({ ...format, disconnectedRetryTimeout: 20 })
    await client.connection.whenState('connected')
    const updated = client.connection.once('update')
    proxy.connection.sendToClient({
      action: 'CONNECTED',
      connectionId: client.connection.id!,
      connectionDetails: { connectionStateTtl: 60 },
    })
    await updated
    proxy.goOffline()

    expect((await client.connection.once('suspended')).reason?.code).toBe(80002)
  })

  test('the client refuses messages larger than CONNECTED allows, and they never leave', async () => {
    proxy.onServerMessage({ action: 'CONNECTED' }).patch({ connectionDetails: { maxMessageSize: 64 } })
    const client = realtime(format)
    await client.connection.whenState('connected')

    await expect(channelOf(client).publish('long', 'x'.repeat(65))).rejects.toMatchObject({ code: 40009 })
    await proxy.expectNoClientMessage({ action: 'MESSAGE' })
  })

  test('a delta against a message that was never seen makes the client attach again from its last one', async () => {
    const channel = channelOf(realtime(format))
    const names: (string | undefined)[] = []
    await channel.subscribe(message => names.push(message.name))
    await channel.publish('first', null)
    const first = await proxy.waitForServerMessage({ action: 'MESSAGE' })
    await first.connection.flushed({ to: 'client' })
    proxy
      .onServerMessage({ action: 'MESSAGE', messages: [{ name: 'second' }] })
      .once()
      .patch(message => ({
        ...message,
        messages: message.messages!.map(own => ({ ...own, extras: { delta: { from: 'never seen', format: 'vcdiff' } } })),
      }))
    const reattached = channel.once('attaching')
    const published = channel.publish('second', null)

    expect((await reattached).reason?.code).toBe(40018)
    const again = await proxy.waitForClientMessage({ action: 'ATTACH' }, { nth: 2 })
    expect(again.value.channelSerial).toBe(first.value.channelSerial)
    await published
    const whole = await proxy.waitForServerMessage({ action: 'MESSAGE', messages: [{ name: 'second' }] }, { nth: 2 })
    await whole.connection.flushed({ to: 'client' })
    expect(names).toEqual(['first', 'second'])
  })
})
