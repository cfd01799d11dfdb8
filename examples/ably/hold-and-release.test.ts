import type { ChannelMode, RealtimeChannel } from 'ably'
import { type LiveCounter, LiveObjects } from 'ably/liveobjects'
import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, channelOf, formats, type Options, realtime } from './on-the-wire.ts'
import { Flag, type ObjectState } from './protocol-message.ts'

const { proxy, server } = await ablyOnTheWire()

const modes: ChannelMode[] = ['OBJECT_SUBSCRIBE', 'OBJECT_PUBLISH']
const allModes = Flag.ALL_MODES
const counterId = 'counter:hits@1700000000000'
const mapSet = 1
const counterInc = 4

/** A map with a counter and a name: what a channel of objects begins with. */
const objects: ObjectState[] = [
  {
    objectId: 'root',
    siteTimeserials: {},
    tombstone: false,
    map: {
      semantics: 0,
      entries: { hits: { timeserial: '0', data: { objectId: counterId } }, name: { timeserial: '0', data: { string: 'nobody' } } },
    },
  },
  { objectId: counterId, siteTimeserials: {}, tombstone: false, counter: { count: 0 } },
  { objectId: 'counter:idle@1700000000000', siteTimeserials: {}, tombstone: false, counter: { count: 0 } },
]

function objectsOf(options: Options): RealtimeChannel {
  const channel = channelOf(realtime({ ...options, plugins: { LiveObjects } }), { modes })
  server.hub.channel(channel.name).objects.push(...objects)
  return channel
}

async function rootOf(channel: RealtimeChannel) {
  const root = await channel.object.get<{ hits: LiveCounter; name: string }>()
  return { hits: root.get('hits'), name: root.get('name'), root }
}

/** What the client has got by now. */
function delivered(): Promise<void> {
  return proxy.connection.flushed({ to: 'client' })
}

describe.each(formats)('in %s', (_, format) => {
  test('an echo that comes after its ACK counts once', async () => {
    const echoes = proxy.onServerMessage({ action: 'OBJECT' }).hold({ others: 'pass' })
    const { hits } = await rootOf(objectsOf(format))
    await hits.increment(1)
    expect(hits.value()).toBe(1)

    const echo = await echoes.next()
    expect(echo.value.state).toMatchObject([{ operation: { action: counterInc, objectId: counterId }, siteCode: 'fake' }])
    echoes.releaseAll()
    await echo.whenDelivered
    await delivered()
    expect(hits.value()).toBe(1)
  })

  test('an ACK that comes after its echo counts once', async () => {
    const acks = proxy.onServerMessage({ action: 'ACK' }).hold()
    const { hits } = await rootOf(objectsOf(format))
    const applied = nextUpdate(hits)
    const incremented = hits.increment(1)
    await acks.next()
    await applied
    expect(hits.value()).toBe(1)

    acks.releaseAll()
    await incremented
    expect(hits.value()).toBe(1)
  })

  test('echoes are released one by one, and each is applied as it comes', async () => {
    const channel = objectsOf({ ...format, transportParams: { who: 'writer' } })
    const reader = proxy.client({ query: { who: 'reader' } })
    const echoes = reader.onServerMessage({ action: 'OBJECT' }).hold()
    const other = realtime({ ...format, plugins: { LiveObjects }, transportParams: { who: 'reader' } })
    const { hits } = await rootOf(other.channels.get(channel.name, { modes }))
    const { hits: written } = await rootOf(channel)
    for (let count = 0; count < 3; count++) await written.increment(1)
    for (let count = 0; count < 3; count++) await echoes.next()

    expect(hits.value()).toBe(0)
    const applied = nextUpdate(hits)
    echoes.release(1)
    await applied
    expect(hits.value()).toBe(1)
    const all = nextUpdate(hits, 2)
    echoes.releaseAll()
    await all
    expect(hits.value()).toBe(3)
  })

  test('an operation whose ACK comes during a sync is applied when the sync is over', async () => {
    const acks = proxy.onServerMessage({ action: 'ACK' }).hold()
    const channel = objectsOf(format)
    const { hits } = await rootOf(channel)
    const { name } = channel
    proxy.connection.sendToClient({ action: 'ATTACHED', channel: name, flags: allModes | Flag.HAS_OBJECTS })
    let isDone = false
    const incremented = hits.increment(1).then(() => (isDone = true))
    const ack = await acks.next()
    acks.releaseAll()
    await ack.whenDelivered
    await delivered()
    expect(isDone).toBe(false)

    proxy.connection.sendToClient({
      action: 'OBJECT_SYNC',
      channel: name,
      channelSerial: 'anew:',
      state: objects.map(object => ({ object })),
    })
    await incremented
    expect(hits.value()).toBe(1)
  })

  test('an operation newer than the one that is held wins, though it comes first', async () => {
    const writer = objectsOf({ ...format, transportParams: { who: 'writer' } })
    const reader = proxy.client({ query: { who: 'reader' } })
    const echoes = reader.onServerMessage({ action: 'OBJECT' }).hold()
    const other = realtime({ ...format, plugins: { LiveObjects }, transportParams: { who: 'reader' } })
    const { name } = await rootOf(other.channels.get(writer.name, { modes }))
    await (await rootOf(writer)).root.set('name', 'held')
    const held = await echoes.next()
    const [operation] = held.value.state!

    held.connection.sendToClient(
      {
        ...held.value,
        state: [
          {
            serial: `${operation.serial!}9`,
            siteCode: operation.siteCode!,
            operation: { action: mapSet, objectId: 'root', mapSet: { key: 'name', value: { string: 'newer' } } },
          },
        ],
      },
      { at: 'now' },
    )
    echoes.releaseAll()
    await held.whenDelivered
    await held.connection.flushed({ to: 'client' })
    expect(name.value()).toBe('newer')
  })

  test('objects can be read once their sync has come, however late', async () => {
    const late = { kind: 'delay', ms: 100 }
    proxy.onServerMessage({ action: 'OBJECT_SYNC' }).delay(late.ms)
    const { hits } = await rootOf(objectsOf(format))
    const first = await proxy.waitForServerMessage({ action: 'OBJECT_SYNC' })
    const last = await proxy.waitForServerMessage({ action: 'OBJECT_SYNC' }, { nth: 3 })

    expect([first.value.channelSerial, last.value.channelSerial]).toEqual(['objects:1', 'objects:'])
    expect([first.verdict, last.verdict]).toEqual([late, late])
    expect(last.delivered).toBeDefined()
    expect(hits.value()).toBe(0)
  })

  test('ATTACHED without objects empties them, and ATTACHED with objects waits for them', async () => {
    const channel = objectsOf(format)
    const { hits, name } = await rootOf(channel)
    const states: string[] = []
    channel.object.on('syncing', () => states.push('syncing'))
    channel.object.on('synced', () => states.push('synced'))
    proxy.connection.sendToClient({ action: 'ATTACHED', channel: channel.name, flags: allModes })
    await delivered()
    expect(name.value()).toBeUndefined()

    proxy.connection.sendToClient({ action: 'ATTACHED', channel: channel.name, flags: allModes | Flag.HAS_OBJECTS | Flag.RESUMED })
    await delivered()
    expect(states).toEqual(['syncing', 'synced', 'syncing'])
    proxy.connection.sendToClient({
      action: 'OBJECT_SYNC',
      channel: channel.name,
      channelSerial: 'anew:',
      state: objects.map(object => ({ object })),
    })
    await delivered()
    expect(states).toEqual(['syncing', 'synced', 'syncing', 'synced'])
    expect(hits.value()).toBe(0)
  })

  test('an operation that the client never offers is asked of the server directly: OBJECT', async () => {
    const { hits } = await rootOf(objectsOf(format))
    const applied = nextUpdate(hits)
    const { connection } = proxy
    const { value } = await proxy.waitForClientMessage({ action: 'ATTACH' })
    connection.sendToServer({
      action: 'OBJECT',
      channel: value.channel!,
      msgSerial: 0,
      state: [{ operation: { action: counterInc, objectId: counterId, counterInc: { number: 5 } } }],
    })
    await applied

    expect(hits.value()).toBe(5)
    await proxy.expectNoClientMessage({ action: 'OBJECT' })
  })
})

/** Resolves once a value has changed so many times. */
function nextUpdate(at: { subscribe(listener: () => void): unknown }, times = 1): Promise<void> {
  return new Promise(resolve => {
    let left = times
    at.subscribe(() => {
      if (--left === 0) resolve()
    })
  })
}
