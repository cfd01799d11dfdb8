import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, fallback, type Options, primary, realtime } from './on-the-wire.ts'

const { proxy } = await ablyOnTheWire()

const internetCheck = 'internet-up.ably-realtime.com'
const socketCheck = 'ws-up.ably-realtime.com'
/** The checks are those of the client, at its own hosts. */
const checking: Options = { disableConnectivityCheck: false }
/** Soon in doubt about WebSockets, in ms. */
const doubting: Options = { ...checking, webSocketSlowTimeout: 20, webSocketConnectTimeout: 150 }
const both: Options = { ...doubting, transports: ['web_socket', 'comet'] }

describe('before a fallback host is tried, the client asks whether the internet is up', () => {
  test('where it says yes, the fallback host is tried', async () => {
    proxy.onConnect({ host: primary }).refuse()
    await realtime(checking).connection.whenState('connected')

    expect(proxy.hosts.filter(host => host !== internetCheck)).toEqual([primary, expect.stringMatching(fallback)])
    expect((await proxy.waitForResponse({ host: internetCheck })).response).toMatchObject({ status: 200, text: 'yes' })
  })

  test.for<[what: string, status: number, body: string]>([
    ['does not say yes', 200, 'no'],
    ['fails', 500, 'yes'],
  ])('where the answer %s, there is no internet', async ([, status, body]) => {
    proxy.onConnect({ host: primary }).refuse()
    proxy.onRequest({ host: internetCheck }).respondWith(status, body)

    const { reason } = await realtime(checking).connection.once('disconnected')
    expect(reason).toMatchObject({ code: 80003, statusCode: 404, message: expect.stringContaining('network unreachable') })
    expect(proxy.hosts.filter(host => host !== internetCheck)).toEqual([primary])
  })

  test('where nothing answers, there is no internet', async () => {
    proxy.onConnect({ host: primary }).refuse()
    // The client may still have a socket to that host: what breaks is the request.
    proxy.onRequest({ host: internetCheck }).reset()

    expect((await realtime(checking).connection.once('disconnected')).reason?.message).toContain('network unreachable')
  })

  test.for<[what: string, status: number, isUp: boolean]>([
    ['any answer, whatever it says', 204, true],
    ['an error', 500, false],
  ])('a check of one’s own: %s', async ([, status, isUp]) => {
    proxy.onConnect({ host: primary }).refuse()
    const check = proxy.onRequest({ host: internetCheck, path: '/own' }).respondWith(status)
    const client = realtime({ ...checking, connectivityCheckUrl: `https://${internetCheck}/own?with=query` })

    const change = await Promise.race([client.connection.once('connected'), client.connection.once('disconnected')])
    expect(change.current).toBe(isUp ? 'connected' : 'disconnected')
    expect((await check.waitForHit()).query).toEqual({ with: 'query' })
  })

  test('where the client is told not to ask, it does not', async () => {
    proxy.onConnect({ host: primary }).refuse()
    await realtime({ ...checking, disableConnectivityCheck: true }).connection.whenState('connected')

    expect(proxy.hosts).toEqual([primary, expect.stringMatching(fallback)])
  })
})

describe('where WebSockets do not get through', () => {
  /** No handshake is answered; an impatient client may not even come to make one. */
  function noWebSockets() {
    return proxy.onConnect({ path: '/' }).optional().hold()
  }

  test('the client connects over comet', async () => {
    noWebSockets()
    const client = realtime(both)
    await client.connection.whenState('connected')

    const request = await proxy.waitForRequest({ path: '/comet/connect' })
    expect(request.host).toBe(primary)
    expect(proxy.hosts).toContain(socketCheck)
    expect(proxy.connection.transport).toBe('lines')
  })

  test('and the internet is not up either, the client waits', async () => {
    noWebSockets()
    proxy.onRequest({ host: internetCheck }).respondWith(500, 'down')

    expect((await realtime(both).connection.once('disconnected')).reason).toMatchObject({ code: 80003, statusCode: 404 })
    await proxy.expectNoRequest({ path: '/comet/connect' })
  })

  test('and there is no other transport, the client gives up in its own time', async () => {
    noWebSockets()
    const client = realtime({ ...doubting, realtimeRequestTimeout: 150, fallbackHosts: [] })

    expect((await client.connection.once('disconnected')).reason).toMatchObject({ code: 80003 })
    await proxy.expectNoRequest({ path: '/comet/connect' })
  })

  test('the client goes back to them once they do', async () => {
    const blocked = noWebSockets()
    const client = realtime(both)
    await client.connection.whenState('connected')
    expect(proxy.connection.transport).toBe('lines')
    client.close()
    await client.connection.whenState('closed')
    const closed = proxy.mark()
    blocked.dispose()
    const check = proxy.onConnect({ host: socketCheck }).hold()
    client.connect()
    await check.next()
    await proxy.expectNoConnection({ host: primary, path: '/' }, { after: closed })
    check.dispose() // and so goes the check; later ones pass

    const again = await proxy.waitForConnection({ host: primary, path: '/' })
    expect(again.state).toBe('open')
    await client.connection.whenState('connected')
  })
})
