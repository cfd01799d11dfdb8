import { once } from 'node:events'
import { constants, type ServerHttp2Stream } from 'node:http2'
import { setImmediate } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { answerOf, ask, client, exchanges, plainServer, proxied, secureServer } from './testing/servers.ts'

describe.each([
  ['over TLS', 'https', secureServer],
  ['in clear text', 'http', plainServer],
])('an exchange %s', (_name, scheme, serve) => {
  test('arrives and is answered as without Midwire: fields in order, informational responses, body, trailers (T110)', async () => {
    const heads: (readonly string[])[] = []
    const server = await serve((stream, _headers, rawHeaders) => {
      heads.push(rawHeaders)
      const chunks: Buffer[] = []
      let trailers: string[] = []
      stream.on('trailers', (_fields, _flags, raw: string[]) => (trailers = raw))
      stream.on('data', (chunk: Buffer) => chunks.push(chunk))
      stream.on('end', () => {
        stream.additionalHeaders({ ':status': 103, link: '</style.css>' })
        stream.respond({ ':status': 201, 'x-b': '1', 'set-cookie': ['a=1', 'b=2'], 'x-a': 'two' }, { waitForTrailers: true })
        stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '42', 'x-got': trailers.join(' ') }))
        stream.end(`got ${Buffer.concat(chunks).toString()}`)
      })
    })
    const run = async (): Promise<unknown> => {
      const session = client(`${scheme}://localhost:${server.port}`)
      const head = [':method', 'POST', ':path', '/a?b=c', 'x-z', '1', 'cookie', 'p=1', 'x-a', '2', 'cookie', 'q=2']
      const stream = session.request(head, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }))
      stream.end('hello')
      const { headers: _, ...answer } = await answerOf(stream)
      session.destroy()
      const rawHeaders = answer.rawHeaders.filter((_value, n, all) => all[n - (n % 2)] !== 'date')
      return { ...answer, rawHeaders }
    }
    const direct = await run()
    const proxy = await proxied()
    expect(await run()).toEqual(direct)
    expect(heads[1]).toEqual(heads[0])
    expect(direct).toMatchObject({ status: 201, body: 'got hello', trailers: ['x-sum', '42', 'x-got', 'x-end yes'], rstCode: 0 })
    const url = `${scheme}://localhost:${server.port}/a?b=c`
    expect(exchanges(proxy)).toMatchObject([{ method: 'POST', version: '2', url, response: { status: 201 }, failure: undefined }])
  })
})

test('a head that ends its stream stays one frame, in both directions (T110)', async () => {
  const flags: number[] = []
  const server = await plainServer((stream, headers, _rawHeaders, flag) => {
    flags.push(flag & constants.NGHTTP2_FLAG_END_STREAM)
    if (headers[':path'] === '/only-head') return stream.respond({ ':status': 200, 'grpc-status': '5' }, { endStream: true })
    if (headers[':method'] === 'HEAD') return stream.respond({ ':status': 200, 'content-length': '10' })
    stream.respond({ ':status': Number(headers['x-status']) })
    stream.end()
  })
  await proxied()
  const session = client(`http://localhost:${server.port}`)
  const only = await ask(session, { ':path': '/only-head' })
  expect(only.headers['grpc-status']).toBe('5')
  expect(only.flags & constants.NGHTTP2_FLAG_END_STREAM).toBeTruthy()
  expect(await ask(session, { ':method': 'HEAD' })).toMatchObject({
    status: 200,
    headers: { 'content-length': '10' },
    body: '',
    rstCode: 0,
  })
  expect(await ask(session, { 'x-status': '204' })).toMatchObject({ status: 204, body: '', rstCode: 0 })
  expect(await ask(session, { 'x-status': '304' })).toMatchObject({ status: 304, body: '', rstCode: 0 })
  expect(flags).toEqual([1, 1, 1, 1])
})

test('upstream decides about a client that waits for 100 Continue (T113)', async () => {
  const server = await plainServer((stream, headers) => {
    if (headers['x-want'] === 'no') return stream.respond({ ':status': 417 }, { endStream: true })
    stream.additionalHeaders({ ':status': 100 })
    stream.respond({ ':status': 200 })
    stream.pipe(stream)
  })
  await proxied()
  const session = client(`http://localhost:${server.port}`)
  const stream = session.request({ ':method': 'POST', expect: '100-continue' })
  const answer = answerOf(stream)
  await once(stream, 'continue')
  stream.end('the body')
  expect(await answer).toMatchObject({ status: 200, body: 'the body' })
  const refused = session.request({ ':method': 'POST', expect: '100-continue', 'x-want': 'no' })
  expect(await answerOf(refused)).toMatchObject({ status: 417 })
})

test('a response may come before the request has ended, and tell the client to stop (T113)', async () => {
  const server = await plainServer(stream => {
    stream.respond({ ':status': 413 })
    stream.end('too much')
    stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR))
  })
  const run = async (): Promise<unknown> => {
    const stream = client(`http://localhost:${server.port}`).request({ ':method': 'POST' })
    stream.write('some')
    const { status, body, rstCode } = await answerOf(stream)
    return { status, body, rstCode }
  }
  const direct = await run()
  await proxied()
  expect(await run()).toEqual(direct)
  expect(direct).toEqual({ status: 413, body: 'too much', rstCode: 0 })
})

test('streams run side by side, and each gets its own answer', async () => {
  const waiting: ServerHttp2Stream[] = []
  const all = Promise.withResolvers<void>()
  const server = await plainServer(stream => {
    if (waiting.push(stream) === 20) all.resolve()
  })
  const proxy = await proxied()
  const session = client(`http://localhost:${server.port}`)
  const answers = Array.from({ length: 20 }, (_, n) => ask(session, { ':path': `/${n}` }))
  await all.promise
  // All are under way at once on one connection; the last is answered first.
  for (const [n, stream] of waiting.entries()) stream.respond({ ':status': 200, 'x-n': String(n) })
  for (const [n, stream] of [...waiting.entries()].toReversed()) stream.end(`answer ${n}`)
  expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(Array.from({ length: 20 }, (_, n) => `answer ${n}`))
  expect(server.sessions.length).toBe(1)
  expect(exchanges(proxy).map(({ path }) => path)).toEqual(Array.from({ length: 20 }, (_, n) => `/${n}`))
})

describe('a reset keeps its code', () => {
  test.each([
    ['INTERNAL_ERROR', constants.NGHTTP2_INTERNAL_ERROR],
    ['REFUSED_STREAM', constants.NGHTTP2_REFUSED_STREAM],
    ['CANCEL', constants.NGHTTP2_CANCEL],
    ['ENHANCE_YOUR_CALM', constants.NGHTTP2_ENHANCE_YOUR_CALM],
  ])('%s from the server, and the other streams go on', async (_name, code) => {
    const server = await plainServer((stream, headers) => {
      if (headers[':path'] === '/good') return void setImmediate().then(() => (stream.respond(), stream.end('good')))
      if (headers[':path'] === '/before') return stream.close(code)
      // Node would end a stream without trailers before it resets it.
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.write('some', () => stream.close(code))
    })
    const proxy = await proxied()
    const session = client(`http://localhost:${server.port}`)
    const [before, within, good] = await Promise.all(['/before', '/within', '/good'].map(path => ask(session, { ':path': path })))
    expect(before).toMatchObject({ rstCode: code, status: undefined })
    expect(within).toMatchObject({ rstCode: code, status: 200, body: 'some' })
    expect(good).toMatchObject({ rstCode: 0, body: 'good' })
    expect(exchanges(proxy).map(({ failure }) => failure !== undefined)).toEqual([true, true, false])
  })

  test.each([
    ['CANCEL', constants.NGHTTP2_CANCEL],
    ['INTERNAL_ERROR', constants.NGHTTP2_INTERNAL_ERROR],
  ])('%s from the client', async (_name, code) => {
    const { promise, resolve } = Promise.withResolvers<number>()
    const server = await plainServer(stream => {
      stream.on('close', () => resolve(stream.rstCode))
      stream.respond()
      stream.write('some')
    })
    await proxied()
    const session = client(`http://localhost:${server.port}`)
    const stream = session.request({ ':method': 'POST' })
    stream.on('error', () => {})
    await once(stream, 'data')
    stream.close(code)
    expect(await promise).toBe(code)
    expect(session.destroyed).toBe(false)
  })
})

test('a client that reads slowly stops the reading of upstream, and loses nothing (T80)', async () => {
  const size = 4 * 1024 * 1024
  let written = 0
  const server = await plainServer(stream => {
    stream.respond()
    const chunk = Buffer.alloc(16 * 1024, 'x')
    const write = (): void => {
      while (written < size) {
        written += chunk.length
        if (!stream.write(chunk)) return void stream.once('drain', write)
      }
      stream.end()
    }
    write()
  })
  await proxied()
  const session = client(`http://localhost:${server.port}`)
  const stream = session.request({})
  await once(stream, 'response')
  // Nobody reads yet: wait until the server has come to a halt.
  for (let before = -1; before !== written; before = written) for (let turn = 0; turn < 50; turn++) await setImmediate()
  expect(written).toBeLessThan(1024 * 1024)
  let read = 0
  stream.on('data', (chunk: Buffer) => (read += chunk.length))
  await once(stream, 'end')
  expect(read).toBe(size)
})

test('a server that reads slowly stops the reading of the client', async () => {
  const size = 4 * 1024 * 1024
  const arrived = Promise.withResolvers<ServerHttp2Stream>()
  const server = await plainServer(stream => {
    stream.pause()
    arrived.resolve(stream)
  })
  await proxied()
  const stream = client(`http://localhost:${server.port}`).request({ ':method': 'POST' })
  let sent = 0
  const chunk = Buffer.alloc(16 * 1024, 'x')
  const write = (): void => {
    while (sent < size) {
      sent += chunk.length
      if (!stream.write(chunk)) return void stream.once('drain', write)
    }
    stream.end()
  }
  write()
  const serverStream = await arrived.promise
  for (let before = -1; before !== sent; before = sent) for (let turn = 0; turn < 50; turn++) await setImmediate()
  expect(sent).toBeLessThan(1024 * 1024)
  let read = 0
  serverStream.on('data', (part: Buffer) => (read += part.length)).resume()
  await once(serverStream, 'end')
  expect(read).toBe(size)
  serverStream.respond({ ':status': 204 })
})
