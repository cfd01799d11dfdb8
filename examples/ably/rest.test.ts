import type { Exchange } from '@midwire/sdk'
import { describe, expect, test } from 'vitest'
import { ablyOnTheWire, fallback, formats, primary, realtime, rest } from './on-the-wire.ts'
import { errorOf, read, type WireMessage } from './protocol-message.ts'

const { proxy, server } = await ablyOnTheWire()

/** The messages that a request publishes, whatever it is written in. */
function published({ body, headers }: Exchange): readonly WireMessage[] {
  const content = read(body!, headers['content-type'] === 'application/x-msgpack' ? 'msgpack' : 'json')
  return (Array.isArray(content) ? content : [content]) as WireMessage[]
}

let count = 0
function nextName(): string {
  return `rest-${++count}`
}

describe.each(formats)('in %s', (format, options) => {
  const type = format === 'JSON' ? 'application/json' : 'application/x-msgpack'

  test('a message that was stored although the answer says 503 is sent again with the same id, and stored once', async () => {
    const name = nextName()
    const ambiguous = proxy
      .onRequest({ method: 'POST', path: `/channels/${name}/messages` })
      .once()
      .forwardThen(503, { error: errorOf(50300, 'no answer in time') })

    await rest(options)
      .channels.get(name)
      .publish([{ data: 'one' }, { data: 'two' }])
    const first = await ambiguous.waitForHit()
    const again = await proxy.waitForRequest({ method: 'POST' }, { nth: 2 })
    expect([first.host, again.host]).toEqual([primary, expect.stringMatching(fallback)])
    const ids = published(first).map(({ id }) => id)
    expect(ids).toEqual([expect.stringMatching(/.:0$/), expect.stringMatching(/.:1$/)])
    expect(published(again).map(({ id }) => id)).toEqual(ids)
    expect(server.hub.channel(name).messages.map(({ data }) => data)).toEqual(['one', 'two'])
    expect([first.response?.status, first.delivered?.status]).toEqual([201, 503])
  })

  test('every request names the version of the protocol, and the library', async () => {
    const client = rest(options)
    await client.auth.requestToken()
    await client.time()
    await client.stats()
    await client.channels.get(nextName()).publish('greeting', 'hello')
    await client.channels.get(nextName()).presence.get()

    expect(proxy.requests.map(({ path }) => path.split('/').at(-1))).toEqual(['requestToken', 'time', 'stats', 'messages', 'presence'])
    for (const { headers } of proxy.requests) {
      expect(headers).toMatchObject({ 'x-ably-version': '6', 'ably-agent': expect.stringMatching(/^ably-js\/2\./) })
    }
  })

  test('a request of one’s own names the version that it asks for', async () => {
    const unanswered = proxy.onRequest({ path: '/anything' }).timeout()
    const asked = rest(options).request('get', '/anything', 2, undefined, undefined, undefined)
    asked.catch(() => {}) // when the test ends

    const exchange = await unanswered.waitForHit()
    expect(exchange.headers['x-ably-version']).toBe('2')
    expect(exchange.response).toBeUndefined()
  })

  test('a message is written in the format of the client', async () => {
    await rest(options).channels.get(nextName()).publish('greeting', 'hello')

    const request = await proxy.waitForRequest({ method: 'POST' })
    expect(request.headers).toMatchObject({ 'content-type': type, accept: expect.stringContaining(type) })
    expect(published(request)).toMatchObject([{ name: 'greeting', data: 'hello' }])
  })

  test('a client id goes with the message that has one, and parameters go into the query', async () => {
    const channel = rest({ ...options, clientId: 'me' }).channels.get(nextName())
    await channel.publish({ name: 'implicit', data: null })
    await channel.publish({ name: 'explicit', data: null, clientId: 'me' }, { quickAck: 'true' })

    const [implicit, explicit] = proxy.requests
    expect(implicit.headers['x-ably-clientid']).toBe(Buffer.from('me').toString('base64'))
    expect(published(implicit)[0]).not.toHaveProperty('clientId')
    expect(published(explicit)).toMatchObject([{ clientId: 'me' }])
    expect([implicit.query, explicit.query]).toEqual([{}, { quickAck: 'true' }])
  })

  test('what a server adds to an answer without content can be read', async () => {
    proxy.onRequest({ path: '/anything' }).respondWith(204, null, { 'X-Ably-Foo': 'headertest' })

    const answer = await rest(options).request('get', '/anything', 6)
    expect(answer).toMatchObject({ statusCode: 204, success: true, items: [] })
    expect(answer.headers).toMatchObject({ 'x-ably-foo': 'headertest' })
  })

  test('the primary host is asked first again, once the fallback host that has answered is forgotten', async () => {
    proxy.onRequest({ host: primary, path: '/time' }).respondWith(500, { error: errorOf(50000) })
    const client = rest({ ...options, fallbackRetryTimeout: -1 })
    await client.time()
    await client.time()

    expect(proxy.requests.map(({ host }) => host)).toEqual([
      primary,
      expect.stringMatching(fallback),
      primary,
      expect.stringMatching(fallback),
    ])
  })

  test('a fallback host that has answered is asked first from then on', async () => {
    proxy.onRequest({ host: primary }).once().respondWith(503)
    const client = rest(options)
    for (let times = 0; times < 3; times++) await client.time()

    const [first, ...others] = proxy.requests.map(({ host }) => host)
    expect(first).toBe(primary)
    expect(others).toEqual([expect.stringMatching(fallback), others[0], others[0]])
  })

  test('a server’s time is asked once, however many tokens are asked for', async () => {
    const client = rest({ ...options, queryTime: true })
    for (let times = 0; times < 10; times++) await client.auth.createTokenRequest()

    expect(proxy.requests.filter(({ path }) => path === '/time')).toHaveLength(1)
  })

  describe('a token that the server no longer takes', () => {
    async function refusedOnce() {
      let tokens = 0
      const client = rest({
        ...options,
        tokenDetails: server.hub.access.issue(),
        authCallback: (_, callback) => {
          tokens++
          callback(null, server.hub.access.issue())
        },
      })
      proxy
        .onRequest({ method: 'POST' })
        .once()
        .respondWith(401, { error: errorOf(40142, 'Token expired') })
      await client.channels.get(nextName()).publish('greeting', 'hello')
      const [refused, repeated, ...more] = proxy.requests
      return { refused, repeated, more, tokens }
    }

    test('is replaced, and the request repeated', async () => {
      const { refused, repeated, more, tokens } = await refusedOnce()
      expect(tokens).toBe(1)
      expect(published(repeated)).toEqual(published(refused))
      expect(more).toEqual([])
    })

    // ably 2.28.0 puts the headers of the request that was refused over those of the new token. Without a server that relents it asks again and
    // again, hundreds of times a second; a spy on the client's authentication sees a new token, and nothing wrong.
    test('but what is repeated carries the old one: a defect of ably 2.28.0', async () => {
      const { refused, repeated } = await refusedOnce()
      expect(repeated.headers['authorization']).toBe(refused.headers['authorization'])
    })
  })
})

test('a realtime client asks for the server’s time once, for all of its tokens', async () => {
  const client = realtime({ queryTime: true, useTokenAuth: true })
  await client.connection.whenState('connected')
  for (let times = 0; times < 10; times++) await client.auth.createTokenRequest()

  expect(proxy.requests.filter(({ path }) => path === '/time')).toHaveLength(1)
  expect(proxy.connection.query).toHaveProperty('access_token')
})
