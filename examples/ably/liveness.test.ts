import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, formats, type Options, realtime } from './on-the-wire.ts'

/** ms between the pings of the server. */
const maxIdleInterval = 40
const { proxy } = await ablyOnTheWire({ maxIdleInterval })

/** The client adds this to what the server promises, in ms. */
const patience: Options = { realtimeRequestTimeout: 300 }

describe.each(formats)('in %s', (_, format) => {
  test('pings of the server keep a silent connection', async () => {
    const pings = proxy.onPing({ from: 'server' }).observe(() => {})
    const client = realtime({ ...format, ...patience })
    await client.connection.whenState('connected')
    await pings.waitForHit(12) // over a longer time than the client would wait

    expect(client.connection.state).toBe('connected')
    expect(proxy).toHaveConnected(1)
  })

  test('without its pings a connection counts as lost, and is resumed', async () => {
    const lost = proxy.onPing({ from: 'server' }).drop()
    const client = realtime({ ...format, ...patience })
    await client.connection.whenState('connected')
    const { key } = client.connection

    expect((await client.connection.once('disconnected')).reason).toMatchObject({ code: 80003, statusCode: 408 })
    lost.dispose()
    expect((await proxy.waitForConnection(({ query }) => 'resume' in query)).query['resume']).toBe(key)
  })

  test('a connection that freezes on its way to the client counts as lost, though the server hears of the client', async () => {
    const client = realtime({ ...format, ...patience })
    await client.connection.whenState('connected')
    const { connection } = proxy
    connection.freeze({ from: 'server' })
    const disconnected = client.connection.once('disconnected')
    let isAnswered = false
    client.connection.ping().then(
      () => (isAnswered = true),
      () => {}, // when the test ends
    )

    await proxy.waitForServerMessage({ action: 'HEARTBEAT' }) // the answer, which waits in the ice
    expect((await disconnected).reason).toMatchObject({ code: 80003, statusCode: 408 })
    expect(isAnswered).toBe(false)
  })
})
