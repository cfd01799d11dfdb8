import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, channelOf, fallback, formats, primary, realtime } from './on-the-wire.ts'
import { errorOf } from './protocol-message.ts'

const { proxy } = await ablyOnTheWire()

describe.each(formats)('in %s', (_, format) => {
  test('where every host refuses, the primary one and as many fallback hosts as allowed are tried', async () => {
    proxy.onConnect().refuse()
    const client = realtime({ ...format, httpMaxRetryCount: 2 })

    const { reason } = await client.connection.once('disconnected')
    expect(reason).toMatchObject({ code: 80003, statusCode: 404 })
    const [first, ...others] = proxy.hosts
    expect(first).toBe(primary)
    expect(others).toEqual([expect.stringMatching(fallback), expect.stringMatching(fallback)])
    expect(new Set(others).size).toBe(2)
  })

  test('requests go to the host that the connection has come to', async () => {
    proxy.onConnect({ host: primary }).refuse()
    const client = realtime(format)
    await client.connection.whenState('connected')
    await client.time()
    await client.time()

    const { host } = proxy.connection
    expect(host).toMatch(fallback)
    expect(proxy.requests.map(request => request.host)).toEqual([host, host])
  })

  test('a primary host that never answers gives way to a fallback host', async () => {
    proxy.onConnect({ host: primary }).timeout()
    const client = realtime({ ...format, realtimeRequestTimeout: 200 })

    await client.connection.whenState('connected')
    expect(proxy.hosts).toEqual([primary, expect.stringMatching(fallback)])
    expect(proxy.connection.attempt).toBe(1)
  })

  test('a primary host without a name gives way to a fallback host', async () => {
    proxy.onConnect({ host: primary }).failDns()
    await realtime(format).connection.whenState('connected')

    expect(proxy.connection.host).toMatch(fallback)
  })

  test('a primary host that is out of service gives way to a fallback host', async () => {
    const refused = proxy.onConnect({ host: primary }).respondWith(503, 'overloaded')
    await realtime(format).connection.whenState('connected')

    expect(refused.hits).toBe(1)
    expect(proxy.connection.host).toMatch(fallback)
  })

  test('after a placement error with no fallback host that works, the connection waits', async () => {
    proxy.onConnect({ host: fallback }).refuse()
    const client = realtime({ ...format, httpMaxRetryCount: 1 })
    await channelOf(client).attach()
    const connecting = client.connection.once('connecting')
    proxy.connection.sendToClient({ action: 'DISCONNECTED', error: errorOf(50320, 'no place') })
    await connecting

    expect((await client.connection.once('disconnected')).reason?.code).toBe(80003)
    expect(proxy.hosts).toEqual([primary, expect.stringMatching(fallback)])
  })
})
