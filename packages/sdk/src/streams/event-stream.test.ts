import { setImmediate } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkConnected } from '../checks.ts'
import { json } from '../codec/json.ts'
import type { InterceptionOptions } from '../settings.ts'
import { startInterceptionProxy } from '../start.ts'
import type { StartedProxy } from '../start.ts'
import { startStreamServer } from '../testing/stream-server.ts'
import type { OpenResponse, StreamServer } from '../testing/stream-server.ts'

interface Delta {
  text?: string
  done?: boolean
}

const host = 'api.example.com'
const events = { 'content-type': 'text/event-stream' }
let server: StreamServer
beforeEach(async () => {
  server = await startStreamServer()
})
afterEach(() => server[Symbol.asyncDispose]())

function start(options: InterceptionOptions<Delta> = {}): Promise<StartedProxy<Delta>> {
  return startInterceptionProxy({ codec: json<Delta>(), route: { [host]: server.url }, streams: [{ path: '/v1/*' }], ...options })
}

/** Reads an answer of a language model, as their clients do: by `fetch`, with `data: [DONE]` at its end. */
class Reader {
  readonly #chunks: AsyncIterator<Uint8Array>
  readonly status: number
  text = ''

  constructor(response: Response) {
    this.status = response.status
    this.#chunks = response.body![Symbol.asyncIterator]()
  }

  /** Reads on until what has come ends with this. */
  async until(end: string): Promise<string> {
    while (!this.text.endsWith(end)) {
      const { value, done } = await this.#chunks.next()
      if (done) break
      this.text += Buffer.from(value).toString()
    }
    return this.text
  }

  async all(): Promise<string> {
    for (;;) {
      const { value, done } = await this.#chunks.next()
      if (done) return this.text
      this.text += Buffer.from(value).toString()
    }
  }
}

async function open(body = '{"model":"m"}', signal?: AbortSignal): Promise<{ reader: Reader; upstream: OpenResponse }> {
  const answered = fetch(`http://${host}/v1/chat`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' },
    signal: signal ?? null,
  })
  const upstream = await server.next()
  upstream.response.writeHead(200, events)
  upstream.response.flushHeaders()
  return { reader: new Reader(await answered), upstream }
}

const event = (value: Delta): string => `data: ${JSON.stringify(value)}\n\n`
const done = 'data: [DONE]\n\n'

describe('the events of a response that is read with fetch', () => {
  test('untouched, they arrive as the bytes they were, each as soon as it was sent (T112)', async () => {
    await using proxy = await start()
    const { reader, upstream } = await open()
    upstream.response.write(': hello\r\n\r\nevent: delta\r\ndata: {"text":"a"}\r\nid: 1\r\n')
    await reader.until('id: 1\r\n')
    upstream.response.write('\r\n')
    await reader.until('\r\n\r\n')
    const message = await proxy.waitForServerMessage({ text: 'a' })
    expect(message.text).toBe('{"text":"a"}')
    upstream.response.end(done)
    expect(await reader.all()).toBe(': hello\r\n\r\nevent: delta\r\ndata: {"text":"a"}\r\nid: 1\r\n\r\ndata: [DONE]\n\n')
  })

  test('the body of the request is a message of the client, on the same connection', async () => {
    await using proxy = await start({ codec: json<Delta>() })
    const { reader, upstream } = await open('{"text":"hi"}')
    const asked = await proxy.waitForClientMessage({ text: 'hi' })
    const connection = await proxy.waitForConnection({ path: '/v1/chat' })
    expect(asked.connection).toBe(connection)
    expect(connection).toMatchObject({ transport: 'sse', state: 'open', attempt: 1, host })
    upstream.response.end(done)
    await reader.all()
    await proxy.waitForClose()
    expect(connection.state).toBe('closed')
  })

  test('it counts as a connection, and tells that it is no WebSocket', async () => {
    await using proxy = await start()
    const { reader, upstream } = await open()
    expect(await proxy.waitForConnection({ transport: 'sse' })).toMatchObject({ path: '/v1/chat' })
    expect(checkConnected(proxy, [1]).pass).toBe(true)
    expect(checkConnected(proxy, [{ transport: 'sse' }]).pass).toBe(true)
    expect(checkConnected(proxy, [0, { transport: 'websocket' }]).pass).toBe(true)
    await proxy.expectNoConnection({ transport: 'websocket' })
    upstream.response.end(done)
    await reader.all()
  })

  test('one is dropped, one patched, one sent twice', async () => {
    await using proxy = await start()
    proxy.onServerMessage({ text: 'a' }).drop()
    proxy.onServerMessage({ text: 'b' }).patch({ text: 'B' })
    proxy.onServerMessage({ text: 'c' }).duplicate(1)
    const { reader, upstream } = await open()
    upstream.response.write(`id: 1\n${event({ text: 'a' })}id: 2\n${event({ text: 'b' })}id: 3\n${event({ text: 'c' })}`)
    upstream.response.end(done)
    expect(await reader.all()).toBe(`id: 2\n${event({ text: 'B' })}id: 3\n${event({ text: 'c' })}id: 3\n${event({ text: 'c' })}${done}`)
  })

  test('one is held, with all behind it, until it is released; a comment in between keeps its place', async () => {
    await using proxy = await start()
    const rule = proxy.onServerMessage({ text: 'b' }).hold()
    const { reader, upstream } = await open()
    upstream.response.write(`${event({ text: 'a' })}${event({ text: 'b' })}: beat\n\n${event({ text: 'c' })}`)
    await rule.next()
    upstream.response.end(done)
    expect(await reader.until(event({ text: 'a' }))).toBe(event({ text: 'a' }))
    rule.releaseAll()
    expect(await reader.all()).toBe(`${event({ text: 'a' })}${event({ text: 'b' })}: beat\n\n${event({ text: 'c' })}${done}`)
  })

  test('one that is set aside comes after what overtook it', async () => {
    await using proxy = await start()
    const rule = proxy.onServerMessage({ text: 'a' }).hold({ others: 'pass' })
    const { reader, upstream } = await open()
    upstream.response.write(`event: x\n${event({ text: 'a' })}${event({ text: 'b' })}`)
    await reader.until(event({ text: 'b' }))
    rule.releaseAll()
    expect(await reader.until(event({ text: 'a' }))).toBe(`${event({ text: 'b' })}event: x\n${event({ text: 'a' })}`)
    upstream.response.end()
    await reader.all()
  })

  test('one is delayed, and what is behind it waits', async () => {
    await using proxy = await start()
    proxy.onServerMessage({ text: 'a' }).delay(30)
    const { reader, upstream } = await open()
    upstream.response.write(event({ text: 'a' }))
    const sent = await proxy.waitForServerMessage({ text: 'a' })
    const before = proxy.journal
    upstream.response.end(event({ text: 'b' }))
    expect(await reader.all()).toBe(event({ text: 'a' }) + event({ text: 'b' }))
    expect(before).toBe(proxy.journal)
    expect(sent.delivered).toBeDefined()
  })

  test('the test sends one, between two events of the server and never within one', async () => {
    await using proxy = await start()
    const { reader, upstream } = await open()
    upstream.response.write('data: {"text":')
    await reader.until('{"text":')
    proxy.connection.sendToClient({ text: 'mine' })
    upstream.response.write('"a"}\n\n')
    expect(await reader.until('"mine"}\n\n')).toBe(`data: {"text":"a"}\n\n${event({ text: 'mine' })}`)
    proxy.connection.sendToClient({ text: 'more' })
    await reader.until(event({ text: 'more' }))
    upstream.response.end(done)
    expect((await reader.all()).endsWith(event({ text: 'more' }) + done)).toBe(true)
  })

  test('a rule declared while an event is under way acts from the next one on', async () => {
    await using proxy = await start()
    const { reader, upstream } = await open()
    upstream.response.write('data: {"text":')
    await reader.until('{"text":')
    proxy.onServerMessage().once().drop()
    upstream.response.write(`"a"}\n\n${event({ text: 'b' })}${event({ text: 'c' })}`)
    upstream.response.end()
    expect(await reader.all()).toBe(event({ text: 'a' }) + event({ text: 'c' }))
  })
})

describe('how a stream ends', () => {
  test('the client aborts: upstream knows at once, no timer between them, and the connection is closed (T112)', async () => {
    await using proxy = await start()
    const abort = new AbortController()
    const { reader, upstream } = await open('{}', abort.signal)
    upstream.response.write(event({ text: 'a' }))
    await reader.until(event({ text: 'a' }))
    const seen = { closed: false }
    void upstream.closed.then(() => (seen.closed = true))
    abort.abort()
    // Turns of the event loop, which a busy machine makes longer and not more: a timer of 50 ms would take thousands.
    let turns = 0
    while (!seen.closed && turns < 500) {
      await setImmediate()
      turns++
    }
    expect(seen.closed).toBe(true)
    await proxy.waitForClose()
    expect(proxy.connections.at(-1)?.state).toBe('closed')
  })

  test('the client aborts while an event is held: upstream knows at once (T112)', async () => {
    await using proxy = await start()
    const rule = proxy.onServerMessage().hold()
    const abort = new AbortController()
    const { upstream } = await open('{}', abort.signal)
    upstream.response.write(event({ text: 'a' }))
    await rule.next()
    abort.abort()
    await upstream.closed
    await proxy.waitForClose()
    expect(rule.held).toEqual([])
  })

  test('upstream breaks off: so does the response', async () => {
    await using _proxy = await start()
    const { reader, upstream } = await open()
    upstream.response.write(event({ text: 'a' }))
    await reader.until(event({ text: 'a' }))
    upstream.response.destroy()
    await expect(reader.all()).rejects.toThrow('terminated')
  })

  test('terminate() and reset() break it off on both sides, close() ends it', async () => {
    await using proxy = await start()
    for (const how of ['terminate', 'reset', 'close'] as const) {
      const { reader, upstream } = await open()
      upstream.response.write(event({ text: 'a' }))
      await reader.until(event({ text: 'a' }))
      const { connection } = proxy
      connection[how]()
      await upstream.closed
      if (how === 'close') expect(await reader.all()).toBe(event({ text: 'a' }))
      else await expect(reader.all()).rejects.toThrow('terminated')
      expect(connection.attempt).toBe(['terminate', 'reset', 'close'].indexOf(how) + 1)
    }
  })

  test('the end of its test ends it as if it were complete, as WebSockets are closed and not cut', async () => {
    const proxy = await start()
    const { reader, upstream } = await open()
    upstream.response.write(event({ text: 'a' }))
    await reader.until(event({ text: 'a' }))
    const rest = reader.all()
    await proxy[Symbol.asyncDispose]()
    expect(await rest).toBe(event({ text: 'a' }))
    await upstream.closed
  })

  test('flushed() has no answer to wait for, and says so', async () => {
    await using proxy = await start()
    const { reader, upstream } = await open()
    await expect(proxy.connection.flushed()).rejects.toThrow('HTTP does not tell when a body has been read')
    upstream.response.end(done)
    await reader.all()
  })

  test('a rule breaks it off behind an event that it lets pass', async () => {
    await using proxy = await start()
    proxy
      .onServerMessage({ text: 'b' })
      .observe(() => {})
      .thenTerminate()
    const { reader, upstream } = await open()
    upstream.response.write(event({ text: 'a' }) + event({ text: 'b' }) + event({ text: 'c' }))
    await expect(reader.all()).rejects.toThrow('terminated')
    expect(reader.text).toBe(event({ text: 'a' }) + event({ text: 'b' }))
  })

  test('an error response is a refusal', async () => {
    await using proxy = await start()
    const answered = fetch(`http://${host}/v1/chat`)
    const upstream = await server.next()
    upstream.response.writeHead(503, { 'content-type': 'text/plain' }).end('no')
    expect(await (await answered).text()).toBe('no')
    await proxy.waitFor(({ kind }) => kind === 'refused')
    expect(proxy.connections.map(({ state }) => state)).toEqual(['closed'])
  })
})
