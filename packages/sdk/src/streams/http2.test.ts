import { once } from 'node:events'
import { connect, createServer } from 'node:http2'
import type { ClientHttp2Session, ClientHttp2Stream, Http2Server, ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { jsonArray } from '@midwire/proxy'
import { json } from '../codec/json.ts'
import { startInterceptionProxy } from '../start.ts'
import type { StartedProxy } from '../start.ts'

interface Note {
  n: number
}

const host = 'two.example.com'
let server: Http2Server
const streams: ServerHttp2Stream[] = []

beforeEach(async () => {
  server = createServer()
  server.on('stream', stream => {
    stream.on('error', () => {})
    streams.push(stream)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
})
afterEach(() => {
  for (const stream of streams.splice(0)) stream.session?.destroy()
  server.close()
})

function start(): Promise<StartedProxy<Note>> {
  return startInterceptionProxy({
    codec: json<Note>(),
    route: { [host]: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    streams: [{ path: '/events' }, { path: '/poll', packing: jsonArray() }],
  })
}

async function ask(session: ClientHttp2Session, path: string): Promise<{ request: ClientHttp2Stream; upstream: ServerHttp2Stream }> {
  const coming = once(server, 'stream')
  const request = session.request({ ':path': path })
  const [upstream] = (await coming) as [ServerHttp2Stream]
  return { request, upstream }
}

test('over HTTP/2, events of two streams of one session are judged, each stream a connection of its own', async () => {
  await using proxy = await start()
  proxy.onServerMessage({ n: 2 }).drop()
  const session = connect(`http://${host}`)
  const one = await ask(session, '/events')
  const two = await ask(session, '/events')
  for (const { upstream } of [one, two]) {
    upstream.respond({ ':status': 200, 'content-type': 'text/event-stream' })
    upstream.write('data: {"n":1}\n\ndata: {"n":2}\n\n')
  }
  await proxy.waitForServerMessage({ n: 2 }, { nth: 2 })
  proxy.connections[1]?.sendToClient({ n: 5 })
  for (const { upstream } of [one, two]) upstream.end('data: {"n":3}\n\n')
  expect(await text(one.request)).toBe('data: {"n":1}\n\ndata: {"n":3}\n\n')
  expect(await text(two.request)).toBe('data: {"n":1}\n\ndata: {"n":5}\n\ndata: {"n":3}\n\n')
  expect(proxy.connections.map(({ transport, attempt }) => `${transport} ${attempt}`)).toEqual(['sse 1', 'sse 2'])
  session.destroy()
})

test('over HTTP/2, a long-poll body is rewritten, and terminate() ends one stream and not its session', async () => {
  await using proxy = await start()
  proxy.onServerMessage({ n: 1 }).drop()
  const session = connect(`http://${host}`)
  const polled = await ask(session, '/poll')
  polled.upstream.respond({ ':status': 200, 'content-length': 17 })
  polled.upstream.end('[{"n":1},{"n":2}]')
  const [head] = (await once(polled.request, 'response')) as [Record<string, string>]
  expect(head['content-length']).toBe('9')
  expect(await text(polled.request)).toBe('[{"n":2}]')

  const stream = await ask(session, '/events')
  stream.upstream.respond({ ':status': 200, 'content-type': 'text/event-stream' })
  stream.upstream.write('data: {"n":3}\n\n')
  await proxy.waitForServerMessage({ n: 3 })
  stream.request.on('error', () => {})
  const closed = [stream.request, stream.upstream].map(side => new Promise(resolve => void side.on('close', resolve)))
  proxy.connections.at(-1)?.terminate()
  await Promise.all(closed)
  expect(stream.request.rstCode).not.toBe(0)
  const after = await ask(session, '/poll')
  after.upstream.respond({ ':status': 200 })
  after.upstream.end('[]')
  expect(await text(after.request)).toBe('[]')
  session.destroy()
})
