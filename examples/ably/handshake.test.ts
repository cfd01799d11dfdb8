import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, channelOf, formats, primary, realtime, rest } from './on-the-wire.ts'

const { proxy, server } = await ablyOnTheWire()

describe.each(formats)('in %s', (format, options) => {
  test('a handshake names protocol version 6, its format, and the key', async () => {
    realtime({ ...options, clientId: 'me' })

    const { query } = await proxy.waitForConnection()
    expect(query).toMatchObject({ v: '6', format: format.toLowerCase(), key: 'app.key:secret', clientId: 'me', heartbeats: 'false' })
    expect(query['agent']).toMatch(/^ably-js\/2\./)
    expect(query).not.toHaveProperty('resume')
  })

  test('the first host is the primary one, on port 443', async () => {
    realtime(options)

    const connection = await proxy.waitForConnection()
    expect(proxy.hosts).toEqual([primary])
    expect(connection.port).toBe(443)
  })

  test('messages travel in frames of the format that the handshake names', async () => {
    await channelOf(realtime(options)).publish('greeting', 'hello')

    const sent = await proxy.waitForClientMessage({ action: 'MESSAGE' })
    const received = await proxy.waitForServerMessage({ action: 'ACK' })
    expect([sent.binary, received.binary]).toEqual([format === 'msgpack', format === 'msgpack'])
    if (format === 'JSON') expect(JSON.parse(sent.text)).toMatchObject({ action: 15, messages: [{ data: 'hello' }] })
  })

  test('key and client id are those that CONNECTED gives', async () => {
    proxy.onServerMessage({ action: 'CONNECTED' }).patch({ connectionDetails: { connectionKey: 'another!key', clientId: 'somebody' } })
    const client = realtime(options)

    await client.connection.whenState('connected')
    expect(client.connection.key).toBe('another!key')
    expect(client.auth.clientId).toBe('somebody')
  })

  test('a key that recovers nothing leads to a new connection, which counts its messages from 0', async () => {
    const recover = JSON.stringify({ connectionKey: 'gone!forever', msgSerial: 3, channelSerials: {} })
    const client = realtime({ ...options, recover })
    const { reason } = await client.connection.once('connected')
    expect(reason?.code).toBe(80018)
    expect(client.connection.key).not.toContain('gone')

    await channelOf(client).publish('greeting', 'hello')
    expect((await proxy.waitForConnection()).query['recover']).toBe('gone!forever')
    expect((await proxy.waitForClientMessage({ action: 'MESSAGE' })).value.msgSerial).toBe(0)
  })

  test('a connection that is lost is resumed by its key', async () => {
    const client = realtime(options)
    await client.connection.whenState('connected')
    const { id, key } = client.connection
    const reconnected = client.connection.once('connected')
    proxy.connection.terminate()
    await reconnected

    expect((await proxy.waitForConnection({ attempt: 2 })).query['resume']).toBe(key)
    expect(client.connection.id).toBe(id)
  })

  test('a resume that fails begins anew: messages count from 0, and channels are attached again', async () => {
    proxy.onConnect({ attempt: 2 }).rewrite(request => {
      request.query['resume'] = 'bogus!key'
    })
    const client = realtime(options)
    const channel = channelOf(client)
    await channel.attach()
    await channel.publish('before', null)
    const { id } = client.connection
    const reconnected = client.connection.once('connected')
    proxy.connection.terminate()

    expect((await reconnected).reason?.code).toBe(80018)
    expect(client.connection.id).not.toBe(id)
    const again = await proxy.waitForClientMessage({ action: 'ATTACH' }, { nth: 2 })
    expect(again.connection.attempt).toBe(2)
    await channel.publish('after', null)
    const after = await proxy.waitForClientMessage({ action: 'MESSAGE', messages: [{ name: 'after' }] })
    expect(after.value.msgSerial).toBe(0)
  })

  test('a token that has expired when a connection is resumed is replaced by a new one', async () => {
    const expired = server.hub.access.issue({ ttl: 0 }).token
    const issuer = rest(options)
    const client = realtime({
      ...options,
      authCallback: async (params, callback) => callback(null, await issuer.auth.requestToken(params)),
    })
    await client.connection.whenState('connected')
    proxy.onConnect({ attempt: 2 }).rewrite(request => {
      request.query['access_token'] = expired
    })
    proxy.connection.terminate()

    const refused = await proxy.waitForServerMessage({ action: 'ERROR' })
    expect(refused.value.error?.code).toBe(40142)
    const third = await proxy.waitForConnection({ attempt: 3 })
    await client.connection.whenState('connected')
    const first = await proxy.waitForConnection({ attempt: 1 })
    expect(third.query['access_token']).not.toBe(first.query['access_token'])
  })

  test('a key that is refused when a connection is resumed fails it', async () => {
    proxy.onConnect({ attempt: 2 }).rewrite(request => {
      request.query['key'] = 'app.key:wrong'
    })
    const client = realtime(options)
    await client.connection.whenState('connected')
    const failed = client.connection.once('failed')
    proxy.connection.terminate()

    expect((await failed).reason?.code).toBe(40101)
    expect(proxy).toHaveConnected(2)
  })
})

describe('over comet', () => {
  test('the first thing on the wire is a request, in JSON whatever the client prefers', async () => {
    const client = realtime({ transports: ['comet'], useBinaryProtocol: true })
    const channel = channelOf(client)
    await channel.publish('greeting', 'hello')

    const [first] = proxy.requests
    expect(first).toMatchObject({ method: 'GET', host: primary, path: '/comet/connect' })
    expect(first?.query).toMatchObject({ v: '6', heartbeats: 'true' })
    expect(first?.query).not.toHaveProperty('format')
    expect(proxy.connections).toHaveLength(1)
    expect(proxy.connection.transport).toBe('lines')
    await proxy.waitForRequest({ method: 'POST', path: /^\/comet\/.*\/send$/ })
  })
})
