import { brotliCompressSync, createGzip, gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { jsonArray } from '@midwire/proxy'
import type { StreamDeclaration } from '@midwire/proxy'
import { json } from '../codec/json.ts'
import { startInterceptionProxy } from '../start.ts'
import type { StartedProxy } from '../start.ts'
import { startStreamServer } from '../testing/stream-server.ts'
import type { OpenResponse, StreamServer } from '../testing/stream-server.ts'

interface Note {
  n: number
}

const host = 'poll.example.com'
let server: StreamServer
beforeEach(async () => {
  server = await startStreamServer()
})
afterEach(() => server[Symbol.asyncDispose]())

function start(...streams: readonly StreamDeclaration<Note>[]): Promise<StartedProxy<Note>> {
  return startInterceptionProxy({ codec: json<Note>(), route: { [host]: server.url }, streams })
}

function ask(path: string, init?: RequestInit): { answer: Promise<Response>; upstream: Promise<OpenResponse> } {
  return { answer: fetch(`http://${host}${path}`, init), upstream: server.next() }
}

const poll: StreamDeclaration<Note> = { path: '/poll/:session/*', packing: jsonArray(), connectionKey: 'session' }

describe('a long-poll body of several messages', () => {
  test('untouched, it goes on as the bytes it was', async () => {
    await using proxy = await start(poll)
    const rule = proxy.onServerMessage({ n: 9 }).optional().drop()
    const { answer, upstream } = ask('/poll/s1/recv')
    ;(await upstream).response.end('[ {"n":1}, {"n":2} ]')
    const response = await answer
    expect(response.headers.get('content-length')).toBe('20')
    expect(await response.text()).toBe('[ {"n":1}, {"n":2} ]')
    expect(rule.hits).toBe(0)
    await proxy.waitForServerMessage({ n: 2 })
    expect(proxy.connection.transport).toBe('polling')
  })

  test('one of three is dropped, one patched, one sent twice; its length is corrected', async () => {
    await using proxy = await start(poll)
    proxy.onServerMessage({ n: 1 }).drop()
    proxy.onServerMessage({ n: 2 }).patch({ n: 20 })
    proxy.onServerMessage({ n: 3 }).duplicate(1)
    const { answer, upstream } = ask('/poll/s1/recv')
    ;(await upstream).response.end('[{"n":1},{"n":2},{"n":3}]')
    const response = await answer
    const text = await response.text()
    expect(text).toBe('[{"n":20},{"n":3},{"n":3}]')
    expect(response.headers.get('content-length')).toBe(String(text.length))
  })

  test('a message that is held holds the response', async () => {
    await using proxy = await start(poll)
    const rule = proxy.onServerMessage({ n: 2 }).hold()
    const { answer, upstream } = ask('/poll/s1/recv')
    ;(await upstream).response.end('[{"n":1},{"n":2}]')
    await rule.next()
    let settled = false
    void answer.then(() => (settled = true))
    // Another exchange of the same client comes and goes meanwhile.
    const other = ask('/other')
    ;(await other.upstream).response.end('ok')
    expect(await (await other.answer).text()).toBe('ok')
    expect(settled).toBe(false)
    rule.releaseAll()
    expect(await (await answer).json()).toEqual([{ n: 1 }, { n: 2 }])
  })

  test('all of them dropped, an empty array is left', async () => {
    await using proxy = await start(poll)
    proxy.onServerMessage().drop()
    const { answer, upstream } = ask('/poll/s1/recv')
    ;(await upstream).response.end('[{"n":1},{"n":2}]')
    expect(await (await answer).text()).toBe('[]')
  })

  test('many exchanges are one connection, told apart by the key; requests carry what the client sends', async () => {
    await using proxy = await start(poll)
    proxy.onClientMessage({ n: 2 }).drop()
    for (const session of ['s1', 's2', 's1']) {
      const { answer, upstream } = ask(`/poll/${session}/send`, { method: 'POST', body: '[{"n":1},{"n":2}]' })
      const { body, request, response } = await upstream
      expect(body).toBe('[{"n":1}]')
      expect(request.headers['content-length']).toBe('9')
      response.end('[{"n":5}]')
      await (await answer).text()
    }
    expect(proxy.connections.map(({ path, attempt }) => `${path} ${attempt}`)).toEqual(['/poll/s1/send 1', '/poll/s2/send 2'])
    const third = await proxy.waitForClientMessage({ n: 1 }, { nth: 3 })
    expect(third.connection).toBe(proxy.connections[0])
  })

  test('what the test sends rides on the next body', async () => {
    await using proxy = await start(poll)
    const first = ask('/poll/s1/recv')
    ;(await first.upstream).response.end('[{"n":1}]')
    await (await first.answer).text()
    proxy.connection.sendToClient({ n: 7 })
    const second = ask('/poll/s1/recv')
    ;(await second.upstream).response.end('[{"n":2}]')
    expect(await (await second.answer).json()).toEqual([{ n: 7 }, { n: 2 }])
  })

  test('a client that polls is given at once what the test sends, and its next poll what the server says', async () => {
    await using proxy = await start(poll)
    const first = ask('/poll/s1/recv')
    const { response, closed } = await first.upstream
    const [connection] = proxy.connections
    connection?.sendToClient({ n: 7 })
    connection?.sendToClient({ n: 8 })
    expect(await (await first.answer).json()).toEqual([{ n: 7 }, { n: 8 }])
    // What it sends meanwhile does not wait behind the poll that its server still has.
    const sending = ask('/poll/s1/send', { method: 'POST', body: '[{"n":1}]' })
    ;(await sending.upstream).response.end('[]')
    await (await sending.answer).text()
    const second = fetch(`http://${host}/poll/s1/recv`)
    await proxy.waitForRequest({ path: '/poll/s1/recv' }, { nth: 2 })
    proxy.onServerMessage({ n: 2 }).patch({ n: 20 })
    response.setHeader('x-poll', '1').end('[{"n":2}]')
    const answer = await second
    expect(answer.headers.get('x-poll')).toBe('1')
    expect(await answer.json()).toEqual([{ n: 20 }])
    await closed
  })

  test('a reply of a rule reaches a client that polls', async () => {
    await using proxy = await start(poll)
    proxy.onClientMessage({ n: 1 }).reply({ n: 100 })
    const polling = ask('/poll/s1/recv')
    await polling.upstream
    const sending = ask('/poll/s1/send', { method: 'POST', body: '[{"n":1}]' })
    expect(await (await polling.answer).json()).toEqual([{ n: 100 }])
    const { body, response } = await sending.upstream
    expect(body).toBe('[]')
    response.end('[]')
    await (await sending.answer).text()
  })

  test('a client that gives up a poll gives up the one that its server still has', async () => {
    await using proxy = await start(poll)
    const first = ask('/poll/s1/recv')
    const { closed } = await first.upstream
    proxy.connections[0]?.sendToClient({ n: 7 })
    await (await first.answer).text()
    const abort = new AbortController()
    const second = fetch(`http://${host}/poll/s1/recv`, { signal: abort.signal })
    await proxy.waitForRequest({ path: '/poll/s1/recv' }, { nth: 2 })
    abort.abort()
    await expect(second).rejects.toThrow('aborted')
    await closed
  })

  test('a connection that a test has terminated stays so for its key', async () => {
    await using proxy = await start(poll)
    const first = ask('/poll/s1/recv')
    await first.upstream
    const [connection] = proxy.connections
    connection?.terminate()
    await expect(first.answer).rejects.toThrow('fetch failed')
    await expect(fetch(`http://${host}/poll/s1/recv`)).rejects.toThrow('fetch failed')
    const other = ask('/poll/s2/recv')
    ;(await other.upstream).response.end('[]')
    expect(await (await other.answer).text()).toBe('[]')
  })

  test('a connection that opened without a key is known by the key that its server told', async () => {
    await using proxy = await start({ path: '/poll*', packing: jsonArray(), connectionKey: 'sid' })
    for (const sid of ['abc', 'def']) {
      const opening = ask('/poll')
      ;(await opening.upstream).response.end(`[{"n":0,"sid":"${sid}"}]`)
      await (await opening.answer).text()
    }
    for (const sid of ['def', 'abc']) {
      const next = ask(`/poll?sid=${sid}`)
      ;(await next.upstream).response.end(`[{"n":1}]`)
      await (await next.answer).text()
    }
    expect(proxy.connections).toHaveLength(2)
    const second = await proxy.waitForServerMessage({ n: 1 }, { nth: 1 })
    expect(second.connection).toBe(proxy.connections[1])
  })

  test('the connection ends with the message that its declaration names', async () => {
    await using proxy = await start({ ...poll, endsAfter: ({ n }) => n === 99 })
    const last = ask('/poll/s1/recv')
    ;(await last.upstream).response.end('[{"n":99}]')
    await (await last.answer).text()
    await proxy.waitForClose()
    expect(proxy.connections.map(({ state }) => state)).toEqual(['closed'])
  })
})

describe('one message a body', () => {
  test('dropped, the client is told that there was nothing', async () => {
    await using proxy = await start({ path: '/poll' })
    proxy.onServerMessage().drop()
    const { answer, upstream } = ask('/poll')
    ;(await upstream).response.setHeader('content-type', 'application/json').end('{"n":1}')
    const response = await answer
    expect(response.status).toBe(204)
    expect(response.headers.get('content-type')).toBeNull()
  })

  test('a request whose only message was dropped is not sent, and answered', async () => {
    await using proxy = await start({ path: '/send' })
    proxy.onClientMessage({ n: 1 }).drop()
    const lost = await fetch(`http://${host}/send`, { method: 'POST', body: '{"n":1}' })
    expect(lost.status).toBe(204)
    const { answer, upstream } = ask('/send', { method: 'POST', body: '{"n":2}' })
    const { body, response } = await upstream
    expect(body).toBe('{"n":2}')
    response.end('{"n":3}')
    expect(await (await answer).text()).toBe('{"n":3}')
  })
})

describe('lines', () => {
  test('each line is a message, or an array of them', async () => {
    await using proxy = await start({ path: '/stream', framing: 'lines', packing: jsonArray() })
    proxy.onServerMessage({ n: 2 }).drop()
    proxy.onServerMessage({ n: 4 }).drop()
    const { answer, upstream } = ask('/stream')
    const { response } = await upstream
    response.write('[{"n":1},{"n":2}]\n[{"n":4}]\n')
    const reader = (await answer).body!.getReader()
    const { value } = await reader.read()
    expect(Buffer.from(value).toString()).toBe('[{"n":1}]\n')
    proxy.connection.sendToClient({ n: 5 })
    expect(Buffer.from((await reader.read()).value).toString()).toBe('[{"n":5}]\n')
    response.end()
    expect((await reader.read()).done).toBe(true)
  })
})

describe('compressed bodies', () => {
  test('an event stream is judged and compressed again, each event as soon as it is decided', async () => {
    await using proxy = await start({ path: '/events' })
    proxy.onServerMessage({ n: 2 }).drop()
    const { answer, upstream } = ask('/events')
    const { response } = await upstream
    response.writeHead(200, { 'content-type': 'text/event-stream', 'content-encoding': 'gzip' })
    const gzip = createGzip()
    gzip.pipe(response)
    gzip.write('data: {"n":1}\n\ndata: {"n":2}\n\n')
    gzip.flush()
    const reader = (await answer).body!.getReader()
    expect(Buffer.from((await reader.read()).value).toString()).toBe('data: {"n":1}\n\n')
    gzip.end('data: {"n":3}\n\n')
    expect(Buffer.from((await reader.read()).value).toString()).toBe('data: {"n":3}\n\n')
    expect((await reader.read()).done).toBe(true)
    await proxy.waitForServerMessage({ n: 3 })
  })

  test('a body that no rule could change keeps its very bytes, and its messages are seen', async () => {
    await using proxy = await start(poll)
    const coded = gzipSync('[{"n":1}]', { level: 1 })
    const { answer, upstream } = ask('/poll/s1/recv', { headers: { 'accept-encoding': 'gzip' } })
    ;(await upstream).response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': coded.length }).end(coded)
    const response = await answer
    expect(response.headers.get('content-length')).toBe(String(coded.length))
    expect(await response.text()).toBe('[{"n":1}]')
    await proxy.waitForServerMessage({ n: 1 })
    const { responseBytes } = (await proxy.waitForResponse()) as { responseBytes?: number }
    expect(responseBytes ?? coded.length).toBe(coded.length)
  })

  test('a body that is changed is compressed again as it was', async () => {
    await using proxy = await start(poll)
    proxy.onServerMessage({ n: 1 }).drop()
    for (const [coding, compress] of [
      ['gzip', gzipSync],
      ['br', brotliCompressSync],
    ] as const) {
      const { answer, upstream } = ask('/poll/s1/recv')
      ;(await upstream).response.writeHead(200, { 'content-encoding': coding }).end(compress('[{"n":1},{"n":2}]'))
      const response = await answer
      expect(response.headers.get('content-encoding')).toBe(coding)
      expect(await response.text()).toBe('[{"n":2}]')
    }
    expect(gunzipSync(gzipSync('a')).toString()).toBe('a')
  })
})
