import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, onTestFinished, test } from 'vitest'
import { rawClient } from '../../test/raw-peer.ts'
import { turnsUntil } from '../../test/turns.ts'
import type { RequestFacts } from '../rule/request-rule.ts'
import { exchanges, head, journalled, notes, own, rule, wire } from './testing/wire.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe('respondWith', () => {
  test('upstream never gets the request, its body is drained, and the connection serves the next', async () => {
    const { client, server, proxy } = await wire()
    const run = rule(
      proxy,
      { kind: 'respondWith', response: own(503, 'busy', ['Retry-After', '1']) },
      { when: ({ path }) => path === '/a' },
    )
    client.socket.write(`${head('POST', '/a', 'Content-Length: 6')}abc`)
    expect(await client.takeThrough('busy')).toBe('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 4\r\n\r\nbusy')
    client.socket.write(`def${head('GET', '/b')}`)
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('\r\n\r\n')).toBe(head('GET', '/b').replace('Host: a', `Host: 127.0.0.1:${server.port}`))
    upstream.socket.write(ok)
    expect(await client.takeThrough('ok')).toBe(ok)
    expect(server.peers).toHaveLength(1)
    expect(run.exchanges).toEqual([exchanges(proxy)[0]])
    expect(exchanges(proxy)[0]).toMatchObject({
      decidedBy: run.label,
      decision: 'respondWith',
      requestBytes: 6,
      text: 'abcdef',
      complete: true,
      response: { status: 503, text: 'busy' },
      delivered: { status: 503, text: 'busy' },
    })
  })

  test.each([
    ['HEAD', 200, 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n'],
    ['GET', 204, 'HTTP/1.1 204 No Content\r\n\r\n'],
    ['GET', 304, 'HTTP/1.1 304 Not Modified\r\n\r\n'],
  ])('to a %s, a %i has no body', async (method, status, expected) => {
    const { client, proxy } = await wire()
    rule(proxy, { kind: 'respondWith', response: own(status, 'body') })
    client.socket.write(`${head(method, '/')}${head('GET', '/', 'Connection: close')}`)
    await client.ended()
    expect(client.text.startsWith(`${expected}HTTP/1.1 ${status}`)).toBe(true)
  })

  test('Connection: close in it ends the connection', async () => {
    const { client, proxy } = await wire()
    rule(proxy, { kind: 'respondWith', response: own(200, 'bye', ['Connection', 'close']) })
    client.socket.write(head('GET', '/'))
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye')
  })

  test('a stream is sent in chunks, as they come', async () => {
    const { client, proxy } = await wire()
    let push: ((text: string | undefined) => void) | undefined
    const body = new ReadableStream<Uint8Array>({
      start: controller => {
        push = text => (text === undefined ? controller.close() : controller.enqueue(Buffer.from(text)))
      },
    })
    rule(proxy, { kind: 'respondWith', response: { status: 200, body, headers: [] } })
    client.socket.write(head('GET', '/'))
    expect(await client.takeThrough('\r\n\r\n')).toBe('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    push?.('one')
    expect(await client.takeThrough('one\r\n')).toBe('3\r\none\r\n')
    push?.(undefined)
    expect(await client.takeThrough('0\r\n\r\n')).toBe('0\r\n\r\n')
  })

  test('a client of HTTP/1.0 gets a stream until the end of its connection', async () => {
    const { client, proxy } = await wire()
    const body = new ReadableStream<Uint8Array>({
      start: controller => {
        controller.enqueue(Buffer.from('all'))
        controller.close()
      },
    })
    rule(proxy, { kind: 'respondWith', response: { status: 200, body, headers: [] } })
    client.socket.write('GET / HTTP/1.0\r\n\r\n')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('HTTP/1.1 200 OK\r\n\r\nall')
  })

  test('pipelined requests that a rule answers are answered in order, among those that upstream answers', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'respondWith', response: own(200, 'own') }, { when: ({ path }) => path === '/own' })
    client.socket.write(head('GET', '/1') + head('GET', '/own') + head('GET', '/2'))
    const upstream = await server.accepted()
    for (const path of ['/1', '/2']) {
      expect(await upstream.takeThrough('\r\n\r\n')).toContain(`GET ${path} `)
      upstream.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${path}`)
    }
    expect((await client.untilText('/2')).match(/(?:\/1|own|\/2)(?=HTTP|$)/g)).toEqual(['/1', 'own', '/2'])
  })
})

describe('which rule decides', () => {
  test('the newest is asked first; observers see all; one that never had its turn is shadowed', async () => {
    const { client, proxy } = await wire()
    const seen: string[] = []
    const observer = rule(proxy, { kind: 'observe', fn: ({ path }) => seen.push(path) })
    const older = rule(proxy, { kind: 'respondWith', response: own(500) })
    const newer = rule(proxy, { kind: 'respondWith', response: own(200, 'newer') }, { times: 1 })
    client.socket.write(head('GET', '/1') + head('GET', '/2'))
    await client.untilText('500')
    expect(client.text).toContain('newer')
    expect(seen).toEqual(['/1', '/2'])
    expect([observer.acted, older.acted, older.matched, older.shadowed, newer.acted]).toEqual([2, 1, 2, true, 1])
  })

  test('nth counts requests that a newer rule decided', async () => {
    const { client, proxy } = await wire()
    rule(proxy, { kind: 'respondWith', response: own(202) }, { nth: 3 })
    rule(proxy, { kind: 'respondWith', response: own(201) }, { times: 2 })
    client.socket.write(head('GET', '/1') + head('GET', '/2') + head('GET', '/3'))
    await client.untilText('202')
    expect(client.text.match(/HTTP\/1.1 \d+/g)).toEqual(['HTTP/1.1 201', 'HTTP/1.1 201', 'HTTP/1.1 202'])
  })

  test('a match that throws fails its test, and counts as none', async () => {
    const { client, server, failures, proxy } = await wire()
    const when = (): boolean => {
      throw new Error('oh')
    }
    rule(proxy, { kind: 'respondWith', response: own(500) }, { when, name: 'odd' })
    client.socket.write(head('GET', '/'))
    await (await server.accepted()).takeThrough('\r\n\r\n')
    expect(failures.map(({ error }) => error.message)).toEqual(['the match of odd threw: oh'])
  })
})

describe('a match on the body', () => {
  const bodied = (wanted: unknown) => ({
    needsBody: true,
    when: (facts: RequestFacts) => facts.path === '/a' && JSON.stringify(facts.body) === JSON.stringify(wanted),
  })

  test('is asked once the whole body has come; the body leaves as it came', async () => {
    const { client, server, proxy } = await wire()
    const run = rule(proxy, { kind: 'respondWith', response: own(409) }, bodied({ x: 1 }))
    client.socket.write(`${head('POST', '/a', 'Content-Length: 7')}{"x"`)
    client.socket.write(':1}')
    expect(await client.takeThrough('\r\n\r\n')).toContain('409')
    client.socket.write(`${head('POST', '/a', 'Transfer-Encoding: chunked')}3\r\n{"x\r\n4\r\n":2}\r\n0\r\nT: 1\r\n\r\n`)
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('T: 1\r\n\r\n')).toContain('\r\n\r\n3\r\n{"x\r\n4\r\n":2}\r\n0\r\nT: 1\r\n\r\n')
    expect(run.acted).toBe(1)
  })

  test('does not wait for a body where its head fails', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'respondWith', response: own(409) }, bodied('never'))
    client.socket.write(head('POST', '/other', 'Content-Length: 100'))
    expect(await (await server.accepted()).takeThrough('\r\n\r\n')).toContain('POST /other')
  })

  test('tells a client that waits for it to send its body, once', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'respondWith', response: own(409) }, bodied('never'))
    client.socket.write(head('POST', '/a', 'Expect: 100-continue', 'Content-Length: 2'))
    expect(await client.takeThrough('\r\n\r\n')).toBe('HTTP/1.1 100 Continue\r\n\r\n')
    client.socket.write('hi')
    const upstream = await server.accepted()
    await upstream.takeThrough('hi')
    upstream.socket.write(`HTTP/1.1 100 Continue\r\n\r\n${ok}`)
    expect(await client.takeThrough('ok')).toBe(ok)
  })

  test('sees it without its content coding', async () => {
    const { client, proxy } = await wire()
    rule(proxy, { kind: 'respondWith', response: own(409) }, bodied({ x: 1 }))
    const body = gzipSync('{"x":1}')
    client.socket.write(head('POST', '/a', 'Content-Encoding: gzip', `Content-Length: ${body.length}`))
    client.socket.write(body)
    expect(await client.takeThrough('\r\n\r\n')).toContain('409')
  })

  test('counts what a newer rule decided on the head', async () => {
    const { client, proxy } = await wire()
    const run = rule(proxy, { kind: 'respondWith', response: own(409) }, bodied({ x: 1 }))
    rule(proxy, { kind: 'respondWith', response: own(200, 'head') })
    client.socket.write(`${head('POST', '/a', 'Content-Length: 7')}{"x":1}`)
    await client.takeThrough('head')
    await journalled(proxy, () => run.matched === 1)
    expect(run.shadowed).toBe(true)
  })

  test('sees the beginning of one that is larger than may be read, with a line that says so', async () => {
    const { client, proxy } = await wire()
    rule(proxy, { kind: 'respondWith', response: own(200, 'done') })
    const lengths: number[] = []
    rule(proxy, { kind: 'observe', fn: ({ text }) => lengths.push(text.length) }, { needsBody: true })
    const size = 17 * 1024 * 1024
    client.socket.write(head('POST', '/a', `Content-Length: ${size}`))
    client.socket.write(Buffer.alloc(size, 'a'))
    await client.untilText('done')
    await journalled(proxy, () => exchanges(proxy)[0]?.complete)
    expect(exchanges(proxy)[0]).toMatchObject({
      requestBytes: size,
      body: undefined,
      lack: expect.stringContaining('journalLimit') as string,
    })
    expect(lengths[0]).toBeGreaterThan(16 * 1024 * 1024)
    expect(lengths[0]).toBeLessThan(size)
    expect(notes(proxy)).toContainEqual(expect.stringContaining('larger than 16777216 bytes'))
  })
})

describe('forwardThen', () => {
  test('upstream gets and answers all of it, and the client gets the other answer', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'forwardThen', response: own(503, 'lost') })
    client.socket.write(`${head('POST', '/', 'Content-Length: 5')}hello`)
    const upstream = await server.accepted()
    await upstream.takeThrough('hello')
    upstream.socket.write('HTTP/1.1 201 Created\r\nContent-Length: 6\r\n\r\nsto')
    await journalled(proxy, () => exchanges(proxy)[0]?.response)
    expect(client.text).toBe('')
    upstream.socket.write('red')
    expect(await client.takeThrough('lost')).toBe('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 4\r\n\r\nlost')
    expect(exchanges(proxy)[0]).toMatchObject({ response: { status: 201, text: 'stored' }, delivered: { status: 503, text: 'lost' } })
  })

  test.each([
    ['says so', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['is of HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nok'],
  ])('the client is told that its connection ends with upstream’s, where that %s', async (_what, answer) => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'forwardThen', response: own(503, 'busy') })
    client.socket.write(head('GET', '/'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.end(answer)
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbusy')
  })

  test('a client of the forward proxy asks on, whether upstream has ended its connection or not', async () => {
    const { server, proxy } = await wire()
    rule(proxy, { kind: 'forwardThen', response: own(503, 'busy') }, { when: ({ path }) => path === '/1' })
    const client = await rawClient(Number(new URL(proxy.url).port))
    onTestFinished(() => void client.socket.destroy())
    for (const [k, expected] of ['busy', 'ok', 'ok'].entries()) {
      client.socket.write(`GET http://127.0.0.1:${server.port}/${k + 1} HTTP/1.1\r\nHost: a\r\n\r\n`)
      const upstream = await server.accepted(k)
      await upstream.takeThrough('\r\n\r\n')
      upstream.socket.end(ok)
      await client.takeThrough(expected)
    }
    expect(server.peers).toHaveLength(3)
  })

  test('an upstream that ends instead of answering ends the client, too', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'forwardThen', response: own(503) })
    client.socket.write(head('GET', '/'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.resetAndDestroy()
    expect(await client.ended()).toBe('rst')
  })
})

describe('patchRequest', () => {
  test('writes anew what it changed, and leaves the rest byte for byte', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, {
      kind: 'patchRequest',
      fn: request => {
        request.method = 'PUT'
        request.path = '/b'
        request.headers['x-dup'] = undefined
        request.headers['x-new'] = '1'
        ;(request.json as { name: string }).name = 'longer'
      },
    })
    client.socket.write(
      `${head('POST', '/a?q=%20', 'X-Dup: 1', 'x-dup: 2', 'CONTENT-length: 12', 'Content-Type: application/json')}{"name":"x"}`,
    )
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('"}')).toBe(
      `PUT /b?q=%20 HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nCONTENT-length: 17\r\nContent-Type: application/json\r\nx-new: 1\r\n\r\n{"name":"longer"}`,
    )
    expect(exchanges(proxy)[0]).toMatchObject({ method: 'POST', path: '/a', json: { name: 'x' } })
  })

  test('encodes a changed body as it was', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'patchRequest', fn: request => (request.text = request.text.toUpperCase()) })
    const body = gzipSync('hello')
    client.socket.write(head('POST', '/', 'Content-Encoding: gzip', `Content-Length: ${body.length}`))
    client.socket.write(body)
    const upstream = await server.accepted()
    const length = Number(/Content-Length: (\d+)/.exec(await upstream.takeThrough('\r\n\r\n'))?.[1])
    expect(gunzipSync(await upstream.take(length)).toString()).toBe('HELLO')
  })

  test('a body that is looked at and not changed leaves as it came, chunks and trailers included', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'patchRequest', fn: request => void request.json })
    const raw = `${head('POST', '/', 'Transfer-Encoding: chunked')}1\r\n[\r\n1\r\n]\r\n0\r\nT: 1\r\n\r\n`
    client.socket.write(raw)
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('T: 1\r\n\r\n')).toBe(raw.replace('Host: a', `Host: 127.0.0.1:${server.port}`))
  })

  test('one that throws fails its test, and the request goes on as it was', async () => {
    const { client, server, proxy, failures } = await wire()
    rule(proxy, {
      kind: 'patchRequest',
      fn: request => {
        request.path = '/changed'
        void request.json
      },
    })
    client.socket.write(`${head('POST', '/a', 'Content-Length: 3')}no!`)
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('no!')).toContain('POST /a ')
    expect(failures.map(({ error }) => error.message)).toEqual([expect.stringContaining('onRequest could not change it')])
  })
})

describe('patchResponse', () => {
  test('changes status, headers and body, and corrects the length', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, {
      kind: 'patchResponse',
      fn: (response, request) => {
        response.status = 201
        response.statusText = 'Made'
        response.headers['x-path'] = request.path
        response.json = { ...(response.json as object), more: true }
      },
    })
    client.socket.write(head('GET', '/p'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write('HTTP/1.1 200 OK\r\nA: 1\r\ncontent-LENGTH: 2\r\nB: 2\r\n\r\n{}')
    expect(await client.takeThrough('}')).toBe('HTTP/1.1 201 Made\r\nA: 1\r\ncontent-LENGTH: 13\r\nB: 2\r\nx-path: /p\r\n\r\n{"more":true}')
    expect(exchanges(proxy)[0]).toMatchObject({
      response: { status: 200, text: '{}' },
      delivered: { status: 201, json: { more: true }, headers: { 'x-path': '/p' } },
    })
  })

  test.each(['gzip', 'deflate', 'br', 'zstd'])('encodes a changed body with %s again', async coding => {
    const { encodeContent, decodeContent } = await import('./content-coding.ts')
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'patchResponse', fn: response => (response.text = `${response.text}!`) })
    client.socket.write(head('GET', '/'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    const body = encodeContent(Buffer.from('hello'), coding)
    upstream.socket.write(`HTTP/1.1 200 OK\r\nContent-Encoding: ${coding}\r\nContent-Length: ${body.length}\r\n\r\n`)
    upstream.socket.write(body)
    const length = Number(/Content-Length: (\d+)/.exec(await client.takeThrough('\r\n\r\n'))?.[1])
    expect(Buffer.from(decodeContent(await client.take(length), coding)).toString()).toBe('hello!')
    expect(exchanges(proxy)[0]).toMatchObject({ response: { text: 'hello' }, delivered: { text: 'hello!' } })
  })

  test.each([
    [204, 'HTTP/1.1 204 No Content\r\n\r\n'],
    [304, 'HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n'],
    [503, `HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nok`],
  ])('a %i has the phrase and the framing of its kind, and the connection goes on', async (status, expected) => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'patchResponse', fn: response => void (response.status = status) }, { times: 1 })
    client.socket.write(head('GET', '/1') + head('GET', '/2'))
    const upstream = await server.accepted()
    for (const path of ['/1', '/2']) {
      await upstream.takeThrough(`GET ${path} HTTP/1.1\r\n`)
      upstream.socket.write(ok)
    }
    await client.untilText(ok)
    expect(client.text).toBe(expected + ok)
  })

  test('the end of its scope ends a response that has no end while it is waited for', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'patchResponse', fn: response => void (response.headers['x-new'] = '1') })
    client.socket.write(head('GET', '/'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n')
    await turnsUntil('the event', () => exchanges(proxy)[0]?.responseBytes === 9)
    await proxy.endScope(proxy.root)
    expect(await client.ended()).toBe('fin')
    expect(await upstream.ended()).toBe('fin')
  })

  test('a server that ends behind its response does not end the client before it has that', async () => {
    const { client, server, proxy, connect } = await wire()
    const seen = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    rule(proxy, { kind: 'patchResponse', fn: response => (seen.resolve(), goOn.promise.then(() => void (response.text = 'edited'))) })
    client.socket.write(head('GET', '/'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write(ok)
    await seen.promise
    upstream.socket.end()
    // What is sent later on another connection is read later.
    const other = await connect()
    other.socket.write('nonsense\r\n\r\n')
    await other.ended()
    goOn.resolve()
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nedited')
  })

  test('one that changes nothing leaves every byte, chunks and trailers included', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'patchResponse', fn: response => void response.text })
    client.socket.write(head('GET', '/'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    const answer = 'HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2\r\nbc\r\n0\r\nSum: 1\r\n\r\n'
    upstream.socket.write(answer)
    expect(await client.takeThrough('Sum: 1\r\n\r\n')).toBe(answer)
  })
})

describe('hold and delay', () => {
  test.each(['request', 'response'] as const)('a held %s goes no further until it is released', async at => {
    const { client, server, proxy } = await wire()
    const run = rule(proxy, { kind: 'hold', at })
    client.socket.write(head('GET', '/'))
    if (at === 'response') {
      const upstream = await server.accepted()
      await upstream.takeThrough('\r\n\r\n')
      upstream.socket.write(ok)
    }
    const held = await journalled(proxy, () => run.heldExchanges[0])
    expect(client.text).toBe('')
    if (at === 'request') expect(server.peers).toHaveLength(0)
    run.releaseExchange(held)
    if (at === 'request') {
      const upstream = await server.accepted()
      await upstream.takeThrough('\r\n\r\n')
      upstream.socket.write(ok)
    }
    expect(await client.takeThrough('ok')).toBe(ok)
    expect(run.heldExchanges).toEqual([])
  })

  test('the end of its scope lets a held request go, and its answer comes', async () => {
    const { client, server, proxy } = await wire()
    const run = rule(proxy, { kind: 'hold', at: 'request' })
    client.socket.write(head('GET', '/'))
    await journalled(proxy, () => run.heldExchanges[0])
    const ended = proxy.endScope(proxy.root)
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write(ok)
    expect(await client.takeThrough('ok')).toBe(ok)
    await ended
  })

  test('a client that resets while it is held is held no more', async () => {
    const { client, proxy } = await wire()
    const run = rule(proxy, { kind: 'hold', at: 'request' })
    client.socket.write(head('GET', '/'))
    await journalled(proxy, () => run.heldExchanges[0])
    const letGo = new Promise<void>(resolve => run.onChange(resolve))
    client.socket.resetAndDestroy()
    await letGo
    expect(run.heldExchanges).toEqual([])
    expect(exchanges(proxy)[0]?.failure).toContain('the client ended')
  })

  test.each(['request', 'response'] as const)(
    'the end of its scope lets a held %s go, and then ends what is pipelined behind it',
    async at => {
      const { client, server, proxy } = await wire()
      const run = rule(proxy, { kind: 'hold', at })
      client.socket.write(head('GET', '/1') + head('GET', '/2'))
      const answered = server.accepted().then(async upstream => {
        await upstream.untilText('\r\n\r\n')
        upstream.socket.write(ok)
        return upstream
      })
      await journalled(proxy, () => run.heldExchanges[0] && exchanges(proxy)[1])
      await proxy.endScope(proxy.root)
      expect(await client.ended()).toBe('fin')
      expect(client.text).toBe(ok)
      expect((await answered).text).not.toContain('/2')
      expect(exchanges(proxy).map(({ failure }) => failure)).toEqual([undefined, 'its test ended'])
    },
  )

  test.each(['request', 'response'] as const)('a delayed %s goes on by itself', async at => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'delay', ms: 20, at })
    client.socket.write(head('GET', '/'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    const sent = proxy.now()
    upstream.socket.write(ok)
    expect(await client.takeThrough('ok')).toBe(ok)
    const [exchange] = exchanges(proxy)
    // Timers of Node may fire a millisecond early.
    if (at === 'request') expect((exchange?.response?.at ?? 0) - (exchange?.at ?? 0)).toBeGreaterThanOrEqual(19)
    else expect(proxy.now() - sent).toBeGreaterThanOrEqual(19)
  })
})
