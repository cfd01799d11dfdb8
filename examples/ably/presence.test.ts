import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, channelOf, formats, realtime } from './on-the-wire.ts'
import type { ProtocolMessage } from './protocol-message.ts'

const { proxy } = await ablyOnTheWire()

describe.each(formats)('in %s', (format, options) => {
  test('data of members is encoded as its kind and the format ask for', async () => {
    const { presence } = channelOf(realtime({ ...options, clientId: 'me' }))
    await presence.enter({ foo: 'bar' })
    await presence.update(Buffer.from('bytes'))

    const entered = await proxy.waitForClientMessage({ action: 'PRESENCE', presence: [{ action: 'ENTER' }] })
    const updated = await proxy.waitForClientMessage({ action: 'PRESENCE', presence: [{ action: 'UPDATE' }] })
    expect(entered.value.presence).toMatchObject([{ action: 'ENTER', data: '{"foo":"bar"}', encoding: 'json' }])
    if (format === 'JSON') {
      expect(updated.value.presence).toMatchObject([{ data: Buffer.from('bytes').toString('base64'), encoding: 'base64' }])
      expect(JSON.parse(updated.text)).toMatchObject({ action: 14, presence: [{ action: 4 }] })
    } else {
      expect(updated.value.presence).toMatchObject([{ data: new TextEncoder().encode('bytes') }])
      expect(updated.value.presence?.[0]).not.toHaveProperty('encoding')
    }
  })

  test('who the member is, goes without saying', async () => {
    const sent = proxy.onClientMessage({ action: 'PRESENCE' }).observe(({ presence }) => {
      expect(presence?.[0]).not.toHaveProperty('clientId')
    })
    const { presence } = channelOf(realtime({ ...options, clientId: 'me' }))
    await presence.enter('here')
    await presence.update('still here')
    await presence.leave()

    expect(sent.messages.map(({ value }) => value.presence?.[0]?.action)).toEqual(['ENTER', 'UPDATE', 'LEAVE'])
  })

  test('entering while disconnected waits until the channel is attached again, also where the resume fails', async () => {
    proxy.onConnect({ attempt: 2 }).rewrite(request => {
      request.query['resume'] = 'bogus!key'
    })
    const client = realtime({ ...options, clientId: 'me' })
    const channel = channelOf(client)
    await channel.attach()
    const disconnected = client.connection.once('disconnected')
    proxy.connection.terminate()
    await disconnected
    await channel.presence.enter('here')
    expect(client.connection.errorReason?.code).toBe(80018)

    const attached = await proxy.waitForServerMessage({ action: 'ATTACHED' }, { nth: 2 })
    const entered = await proxy.waitForClientMessage({ action: 'PRESENCE' })
    expect(entered.connection.attempt).toBe(2)
    await proxy.expectNoClientMessage({ action: 'PRESENCE' }, { until: attached })
  })

  test('everybody who enters while the channel is attaching goes in one message', async () => {
    const attaches = proxy.onClientMessage({ action: 'ATTACH' }).hold()
    const { presence } = channelOf(realtime(options))
    const entered = Array.from({ length: 10 }, (_, index) => presence.enterClient(`client ${index}`, null))
    await attaches.next()
    await proxy.expectNoClientMessage({ action: 'PRESENCE' })
    attaches.releaseAll()
    await Promise.all(entered)

    const sent = await proxy.waitForClientMessage({ action: 'PRESENCE' })
    expect(sent.value.presence).toHaveLength(10)
    await proxy.expectNoClientMessage({ action: 'PRESENCE' }, { after: sent })
  })

  const ghost = { action: 'ENTER', clientId: 'ghost', connectionId: 'gone', id: 'gone:0:0', timestamp: 1 } as const
  test.for<[what: string, ProtocolMessage]>([
    ['SYNC', { action: 'SYNC', channelSerial: 'anew:', presence: [] }],
    ['ATTACHED without members', { action: 'ATTACHED', flags: 0 }],
  ])('a member whom %s no longer knows has left', async ([, message]) => {
    const channel = channelOf(realtime(options))
    await channel.attach()
    const left = new Promise(resolve => void channel.presence.subscribe('leave', resolve))
    await channel.presence.subscribe(() => {})
    proxy.connection.sendToClient({ action: 'PRESENCE', channel: channel.name, presence: [ghost] })
    await proxy.connection.flushed({ to: 'client' })
    expect(await channel.presence.get()).toMatchObject([{ clientId: 'ghost' }])
    proxy.connection.sendToClient({ ...message, channel: channel.name })

    expect(await left).toMatchObject({ action: 'leave', clientId: 'ghost' })
    expect(await channel.presence.get({ waitForSync: false })).toEqual([])
  })

  test('a member who enters between two pages of a sync is among those present', async () => {
    const crowd = channelOf(realtime(options))
    await Promise.all(Array.from({ length: 110 }, (_, index) => crowd.presence.enterClient(`client ${index}`, null)))
    const newcomer = { ...ghost, clientId: 'newcomer' }
    const reader = proxy.client({ query: { who: 'reader' } })
    const { name } = crowd
    const pages = reader
      .onServerMessage({ action: 'SYNC', channel: name })
      .once()
      .observe(() => {})
      .thenSendToClient({ action: 'PRESENCE', channel: name, presence: [newcomer] })
    const channel = realtime({ ...options, transportParams: { who: 'reader' } }).channels.get(name)

    const present = await channel.presence.get()
    expect(present).toHaveLength(111)
    expect(present.map(({ clientId }) => clientId)).toContain('newcomer')
    expect(pages.hits).toBe(1)
    expect(await reader.waitForServerMessage({ action: 'SYNC' }, { nth: 2 })).toMatchObject({ value: { channelSerial: /:$/ } })
  })

  test('an operation that the client never offers is asked of the server directly: SYNC', async () => {
    const channel = channelOf(realtime({ ...options, clientId: 'me' }))
    await channel.presence.enter()
    const asked = proxy.mark()
    proxy.connection.sendToServer({ action: 'SYNC', channel: channel.name })

    const sync = await proxy.waitForServerMessage({ action: 'SYNC' }, { after: asked })
    expect(sync.value.presence).toMatchObject([{ action: 'PRESENT', clientId: 'me' }])
  })
})
