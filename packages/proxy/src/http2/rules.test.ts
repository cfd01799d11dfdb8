import { once } from 'node:events'
import { constants } from 'node:http2'
import { describe, expect, test } from 'vitest'
import { own, rule } from '../http/testing/wire.ts'
import { answerOf, ask, client, exchanges, type OnStream, plainServer, proxied } from './testing/servers.ts'

const echo: OnStream = (stream, headers) => {
  stream.respond({ ':status': 200, 'x-path': String(headers[':path']), 'x-method': String(headers[':method']) })
  stream.pipe(stream)
}

test('a rule answers one stream, and the others of its session reach upstream', async () => {
  const paths: unknown[] = []
  const server = await plainServer((stream, headers, ...rest) => {
    paths.push(headers[':path'])
    echo(stream, headers, ...rest)
  })
  const proxy = await proxied()
  const session = client(`http://localhost:${server.port}`)
  expect((await ask(session, { ':path': '/first' })).status).toBe(200)
  rule(proxy, { kind: 'respondWith', response: own(503, 'busy', ['Retry-After', '1']) }, { when: ({ path }) => path === '/a' })
  const [a, b] = await Promise.all([ask(session, { ':method': 'POST', ':path': '/a' }, 'body'), ask(session, { ':path': '/b' })])
  expect(a).toMatchObject({ status: 503, body: 'busy', headers: { 'retry-after': '1' }, rstCode: 0 })
  expect(b.status).toBe(200)
  expect(paths).toEqual(['/first', '/b'])
  expect(exchanges(proxy)[1]).toMatchObject({ version: '2', decision: 'respondWith', text: 'body', delivered: { status: 503 } })
})

test('upstream answers, and the client gets another answer', async () => {
  const server = await plainServer(echo)
  const proxy = await proxied()
  const session = client(`http://localhost:${server.port}`)
  await ask(session, {})
  rule(proxy, { kind: 'forwardThen', response: own(503, 'lost') })
  expect(await ask(session, { ':method': 'POST' }, 'stored')).toMatchObject({ status: 503, body: 'lost' })
  expect(exchanges(proxy)[1]).toMatchObject({ response: { status: 200, text: 'stored' }, delivered: { status: 503 } })
})

test('a request and its response are edited, also where neither had a body', async () => {
  const server = await plainServer(echo)
  const proxy = await proxied()
  const session = client(`http://localhost:${server.port}`)
  await ask(session, {})
  rule(
    proxy,
    {
      kind: 'patchRequest',
      fn: request => {
        request.path = '/patched'
        request.method = 'PUT'
        request.text = 'new'
      },
    },
    { when: ({ path }) => path === '/request' },
  )
  expect(await ask(session, { ':path': '/request' })).toMatchObject({ headers: { 'x-path': '/patched', 'x-method': 'PUT' }, body: 'new' })
  rule(
    proxy,
    {
      kind: 'patchResponse',
      fn: response => {
        response.status = 202
        response.headers['x-more'] = 'yes'
        response.text = `${response.text}!`
      },
    },
    { when: ({ path }) => path === '/response' },
  )
  const answer = await ask(session, { ':method': 'POST', ':path': '/response' }, 'hello')
  expect(answer).toMatchObject({ status: 202, headers: { 'x-more': 'yes', 'x-path': '/response' }, body: 'hello!' })
  expect(await ask(session, { ':path': '/response' })).toMatchObject({ status: 202, body: '!' })
})

test('a body that upstream did not end is not edited into a whole one', async () => {
  const server = await plainServer(stream => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true })
    stream.write('half', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR))
  })
  const proxy = await proxied()
  const session = client(`http://localhost:${server.port}`)
  await ask(session, {})
  rule(proxy, { kind: 'patchResponse', fn: response => void (response.text = `${response.text}!`) })
  expect(await ask(session, {})).toMatchObject({ status: undefined, body: '', rstCode: constants.NGHTTP2_INTERNAL_ERROR })
})

describe('a fault', () => {
  test('resets the stream and leaves its connection alone', async () => {
    const server = await plainServer(echo)
    const proxy = await proxied()
    const session = client(`http://localhost:${server.port}`)
    await ask(session, {})
    rule(proxy, { kind: 'fault', how: 'reset', at: 'beforeRequest', to: 'both' }, { when: ({ path }) => path === '/before' })
    rule(proxy, { kind: 'fault', how: 'reset', at: 'beforeResponse', to: 'both' }, { when: ({ path }) => path === '/lost' })
    rule(proxy, { kind: 'fault', how: 'reset', at: { responseBytes: 3 }, to: 'both' }, { when: ({ path }) => path === '/within' })
    rule(proxy, { kind: 'fault', how: 'end', at: { responseBytes: 2 }, to: 'both' }, { when: ({ path }) => path === '/cut' })
    const code = constants.NGHTTP2_INTERNAL_ERROR
    expect(await ask(session, { ':path': '/before' })).toMatchObject({ status: undefined, rstCode: code })
    expect(await ask(session, { ':path': '/lost' })).toMatchObject({ status: undefined, rstCode: code })
    const post = { ':method': 'POST' }
    expect(await ask(session, { ...post, ':path': '/within' }, 'hello')).toMatchObject({ status: 200, body: 'hel', rstCode: code })
    expect(await ask(session, { ...post, ':path': '/cut' }, 'hello')).toMatchObject({ status: 200, body: 'he', rstCode: code })
    expect(await ask(session, { ...post, ':path': '/good' }, 'hello')).toMatchObject({ status: 200, body: 'hello' })
    expect(server.sessions).toHaveLength(1)
  })

  test('in the middle of a request resets it for the server with what came before', async () => {
    const got = Promise.withResolvers<{ text: string; code: number }>()
    const server = await plainServer((stream, headers, ...rest) => {
      if (headers[':path'] !== '/cut') return echo(stream, headers, ...rest)
      let text = ''
      stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
      stream.on('close', () => got.resolve({ text, code: stream.rstCode }))
    })
    const proxy = await proxied()
    const session = client(`http://localhost:${server.port}`)
    await ask(session, {})
    rule(proxy, { kind: 'fault', how: 'reset', at: { requestBytes: 4 }, to: 'server' }, { when: ({ path }) => path === '/cut' })
    const stream = session.request({ ':method': 'POST', ':path': '/cut' })
    stream.on('error', () => {})
    stream.write('hello')
    expect(await got.promise).toEqual({ text: 'hell', code: constants.NGHTTP2_CANCEL })
    stream.close()
  })
})

test('what Node refuses to write resets its stream, and nothing else', async () => {
  const server = await plainServer(echo)
  const proxy = await proxied()
  const session = client(`http://localhost:${server.port}`)
  await ask(session, {})
  const code = constants.NGHTTP2_INTERNAL_ERROR
  rule(proxy, { kind: 'respondWith', response: own(799, 'text') }, { when: ({ path }) => path === '/text' })
  rule(proxy, { kind: 'respondWith', response: own(799) }, { when: ({ path }) => path === '/empty' })
  const trailers = ['not a name', 'x']
  rule(proxy, { kind: 'respondWith', response: { ...own(200, 'text'), trailers } }, { when: ({ path }) => path === '/trailers' })
  rule(
    proxy,
    { kind: 'patchRequest', fn: request => void (request.headers['not a name'] = 'x') },
    { when: ({ path }) => path === '/request' },
  )
  for (const path of ['/text', '/empty', '/trailers', '/request']) {
    expect({ path, ...(await ask(session, { ':path': path })) }).toMatchObject({ path, rstCode: code })
  }
  expect(await ask(session, { ':method': 'POST' }, 'fine')).toMatchObject({ status: 200, body: 'fine' })
})

test('a held request stands alone: those behind it pass', async () => {
  const server = await plainServer(echo)
  const proxy = await proxied()
  const session = client(`http://localhost:${server.port}`)
  await ask(session, {})
  const run = rule(proxy, { kind: 'hold', at: 'request' }, { when: ({ path }) => path === '/held' })
  const held = session.request({ ':path': '/held' })
  const answer = answerOf(held)
  expect((await ask(session, { ':path': '/passes' })).status).toBe(200)
  const [exchange] = run.heldExchanges
  if (exchange) run.releaseExchange(exchange)
  expect((await answer).status).toBe(200)
})

test('a client that gives up its stream takes its request from upstream', async () => {
  const { promise, resolve } = Promise.withResolvers<number>()
  const server = await plainServer(stream => stream.on('close', () => resolve(stream.rstCode)))
  await proxied()
  const stream = client(`http://localhost:${server.port}`).request({})
  await once(stream, 'ready')
  stream.on('error', () => {})
  await once(server.server, 'stream')
  stream.close(constants.NGHTTP2_CANCEL)
  expect(await promise).toBe(constants.NGHTTP2_CANCEL)
})
