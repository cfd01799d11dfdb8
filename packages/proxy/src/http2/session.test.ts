import { once } from 'node:events'
import { constants, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { own, rule } from '../http/testing/wire.ts'
import { startProxy } from '../proxy.ts'
import { answerOf, ask, client, exchanges, plainServer, proxied, secureServer } from './testing/servers.ts'

test('GOAWAY reaches the client with its code, its data and its last stream', async () => {
  const server = await plainServer(stream => {
    stream.respond()
    stream.end('ok')
  })
  await proxied()
  const session = client(`http://localhost:${server.port}`)
  await ask(session, {})
  const wentAway = once(session, 'goaway')
  server.sessions[0]?.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 1, Buffer.from('too many'))
  const [code, lastStreamId, data] = await wentAway
  expect([code, lastStreamId, String(data)]).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM, 1, 'too many'])
})

test('the last stream of a GOAWAY is told by the client’s own number', async () => {
  const pending = Promise.withResolvers<void>()
  const server = await plainServer((stream, headers) => {
    if (headers[':path'] === '/pending') return pending.resolve()
    stream.respond()
    stream.end('ok')
  })
  const proxy = await proxied()
  const session = client(`http://localhost:${server.port}`)
  const busy = rule(proxy, { kind: 'respondWith', response: own(503) })
  expect(await ask(session, {})).toMatchObject({ status: 503 })
  busy.dispose()
  expect(await ask(session, {})).toMatchObject({ status: 200 })
  const refused = ask(session, { ':path': '/pending' })
  await pending.promise
  const wentAway = once(session, 'goaway')
  // Its second stream is the client's third.
  server.sessions[0]?.goaway(constants.NGHTTP2_NO_ERROR, 1)
  expect((await wentAway).slice(0, 2)).toEqual([constants.NGHTTP2_NO_ERROR, 3])
  expect((await refused).rstCode).toBe(constants.NGHTTP2_REFUSED_STREAM)
})

test('a server that goes away answers what is under way, and then ends the connection', async () => {
  const arrived = Promise.withResolvers<() => void>()
  const server = await plainServer(stream => {
    stream.respond()
    stream.write('first ')
    arrived.resolve(() => {
      stream.session?.close()
      stream.end('last')
    })
  })
  await proxied()
  const session = client(`http://localhost:${server.port}`)
  const codes: number[] = []
  session.on('goaway', (code: number) => codes.push(code))
  const answer = ask(session, {})
  const finish = await arrived.promise
  const closed = once(session, 'close')
  finish()
  expect(await answer).toMatchObject({ body: 'first last', rstCode: 0 })
  await closed
  expect(codes[0]).toBe(constants.NGHTTP2_NO_ERROR)
})

test('a client that goes away tells the server so', async () => {
  const server = await plainServer(stream => {
    stream.respond()
    stream.end('ok')
  })
  await proxied()
  const session = client(`http://localhost:${server.port}`)
  await ask(session, {})
  const wentAway = once(server.sessions[0] as ServerHttp2Session, 'goaway')
  session.close()
  expect((await wentAway)[0]).toBe(constants.NGHTTP2_NO_ERROR)
  await once(server.sessions[0] as ServerHttp2Session, 'close')
})

describe('the end of a connection', () => {
  const sockets = async (): Promise<{ port: number; next: Promise<Socket> }> => {
    const { promise: next, resolve } = Promise.withResolvers<Socket>()
    const server = await plainServer(stream => {
      stream.respond()
      stream.write('some')
    })
    server.server.on('connection', socket => {
      socket.on('error', () => {})
      resolve(socket)
    })
    return { port: server.port, next }
  }

  test.each(['fin', 'rst'] as const)('by the server is a %s to the client', async how => {
    const { port, next } = await sockets()
    await proxied()
    const session = client(`http://localhost:${port}`)
    const stream = session.request({})
    stream.on('error', () => {})
    const errors: unknown[] = []
    session.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code))
    await once(stream, 'data')
    const socket = await next
    const closed = new Promise(resolve => session.once('close', resolve))
    if (how === 'rst') socket.resetAndDestroy()
    else socket.destroy()
    await closed
    expect(errors).toEqual(how === 'rst' ? ['ECONNRESET'] : [])
    expect(stream.rstCode).toBe(how === 'rst' ? constants.NGHTTP2_INTERNAL_ERROR : constants.NGHTTP2_CANCEL)
  })

  test.each(['fin', 'rst'] as const)('by the client is a %s to the server', async how => {
    const { port, next } = await sockets()
    await proxied()
    const session = client(`http://localhost:${port}`)
    const socket = await new Promise<Socket>(resolve => session.once('connect', (_session, connected) => resolve(connected)))
    const stream = session.request({})
    stream.on('error', () => {})
    await once(stream, 'data')
    const errors: unknown[] = []
    const upstream = await next
    upstream.on('error', (error: NodeJS.ErrnoException) => errors.push(error.code))
    const closed = new Promise(resolve => upstream.once('close', resolve))
    if (how === 'rst') socket.resetAndDestroy()
    else socket.destroy()
    await closed
    expect(errors).toEqual(how === 'rst' ? ['ECONNRESET'] : [])
  })
})

test('outside any scope all is relayed and nothing journalled', async () => {
  const server = await secureServer(stream => {
    stream.respond()
    stream.end('seen by nobody')
  })
  const proxy = await startProxy()
  try {
    expect(await ask(client(`https://localhost:${server.port}`), {})).toMatchObject({ status: 200, body: 'seen by nobody' })
    expect([...proxy.journal.read()]).toEqual([])
  } finally {
    await proxy.close()
  }
})

test('the client sees the limits that upstream sets, and keeps to them', async () => {
  const server = await plainServer(stream => stream.respond({ ':status': 204 }), {
    settings: { maxConcurrentStreams: 3, maxFrameSize: 32 * 1024, initialWindowSize: 100_000 },
  })
  await proxied()
  const session = client(`http://localhost:${server.port}`)
  const [settings] = await once(session, 'remoteSettings')
  expect(settings).toMatchObject({
    maxConcurrentStreams: 3,
    maxFrameSize: 32 * 1024,
    initialWindowSize: 100_000,
    enableConnectProtocol: false,
  })
  expect(await ask(session, {})).toMatchObject({ status: 204 })
})

test('a stream that its test left open is cut off, and a shared session lives on', async () => {
  const server = await plainServer((stream, headers) => {
    stream.respond()
    if (headers[':path'] === '/ends') stream.end('ok')
    else stream.write('begun')
  })
  const proxy = await startProxy()
  const scope = proxy.openScope('one')
  const session = client(`http://localhost:${server.port}`)
  try {
    const left = proxy.run(scope, () => session.request({ ':path': '/left' }))
    await once(left, 'data')
    const over = answerOf(left)
    await proxy.endScope(scope)
    expect((await over).rstCode).not.toBe(constants.NGHTTP2_NO_ERROR)
    expect(exchanges(proxy)).toMatchObject([{ path: '/left', failure: 'its test ended' }])
    expect(await ask(session, { ':path': '/ends' })).toMatchObject({ body: 'ok' })
  } finally {
    await proxy.close()
  }
})

test('what is no HTTP/2 after its preface ends its connection alone, with a line of the journal', async () => {
  const server = await plainServer(stream => {
    stream.respond()
    stream.end('ok')
  })
  const proxy = await proxied()
  const { connect } = await import('node:net')
  const socket = connect(server.port, '127.0.0.1')
  socket.on('error', () => {})
  socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  socket.write(Buffer.alloc(64, 0xff))
  socket.resume()
  await once(socket, 'close')
  expect([...proxy.journal.read()].some(event => event.kind === 'note' && event.text.includes('HTTP/2 connection broke'))).toBe(true)
  expect(await ask(client(`http://localhost:${server.port}`), {})).toMatchObject({ body: 'ok' })
})
