import { EventSource } from 'eventsource'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { json } from '../codec/json.ts'
import { sse } from '../codec/sse.ts'
import { startInterceptionProxy } from '../start.ts'
import { startStreamServer } from '../testing/stream-server.ts'
import type { OpenResponse, StreamServer } from '../testing/stream-server.ts'

const host = 'news.example.com'
const url = `http://${host}/feed`
let server: StreamServer
const sources: EventSource[] = []

beforeEach(async () => {
  server = await startStreamServer()
})
afterEach(async () => {
  for (const source of sources.splice(0)) source.close()
  await server[Symbol.asyncDispose]()
})

/** An EventSource, as it is, with what it has dispatched. */
function listen(...names: readonly string[]): { source: EventSource; next(): Promise<string> } {
  const source = new EventSource(url)
  sources.push(source)
  const seen: string[] = []
  const waiting: ((text: string) => void)[] = []
  for (const name of ['message', ...names])
    source.addEventListener(name, ({ data, lastEventId }: { readonly data: string; readonly lastEventId: string }) => {
      const text = `${name} ${data} ${lastEventId}`
      const taker = waiting.shift()
      if (taker) taker(text)
      else seen.push(text)
    })
  return {
    source,
    next: () => {
      const text = seen.shift()
      return text === undefined ? new Promise(resolve => void waiting.push(resolve)) : Promise.resolve(text)
    },
  }
}

async function accept(): Promise<OpenResponse> {
  const open = await server.next()
  open.response.writeHead(200, { 'content-type': 'text/event-stream' })
  open.response.flushHeaders()
  return open
}

test('an EventSource misses what was dropped, and gets the rest with names and ids', async () => {
  await using proxy = await startInterceptionProxy({
    codec: json<{ n: number }>(),
    route: { [host]: server.url },
    streams: [{ path: '/feed' }],
  })
  proxy.onServerMessage({ n: 2 }).drop()
  proxy.onServerMessage({ n: 3 }).patch({ n: 30 })
  const { next } = listen('add')
  const { response } = await accept()
  response.write('id: a\ndata: {"n":1}\n\nid: b\ndata: {"n":2}\n\nevent: add\ndata: {"n":3}\nid: c\n\n')
  expect(await next()).toBe('message {"n":1} a')
  expect(await next()).toBe('add {"n":30} c')
  proxy.connection.sendToClient({ n: 4 })
  expect(await next()).toBe('message {"n":4} c')
})

test('with sse(), rules see and write whole events', async () => {
  await using proxy = await startInterceptionProxy({
    codec: sse(json<{ n: number }>()),
    route: { [host]: server.url },
    streams: [{ path: '/feed' }],
  })
  proxy.onServerMessage({ event: 'add' }).patch(event => {
    event.event = 'remove'
  })
  const { next } = listen('add', 'remove')
  const { response } = await accept()
  response.write('event: add\ndata: {"n":1}\nid: 7\n\n')
  expect(await next()).toBe('remove {"n":1} 7')
  const added = await proxy.waitForServerMessage({ event: 'add' })
  expect(added.value).toEqual({ event: 'add', data: { n: 1 }, id: '7' })
  proxy.connection.sendToClient({ event: 'add', data: { n: 2 }, id: '8' })
  expect(await next()).toBe('add {"n":2} 8')
})

test('a stream that is closed before its response began is asked for again, as one that ends', async () => {
  await using proxy = await startInterceptionProxy({
    codec: json<{ n: number }>(),
    route: { [host]: server.url },
    streams: [{ path: '/feed' }],
  })
  const { next } = listen()
  const first = await server.next()
  proxy.connections[0]?.close()
  await first.closed
  const { response } = await accept()
  response.write('data: {"n":1}\n\n')
  expect(await next()).toBe('message {"n":1} ')
})

test('a terminated stream is asked for again, with the id of the last event', async () => {
  await using proxy = await startInterceptionProxy({
    codec: json<{ n: number }>(),
    route: { [host]: server.url },
    streams: [{ path: '/feed' }],
  })
  proxy.onServerMessage({ n: 2 }).once().drop().thenTerminate()
  const { next } = listen()
  const first = await accept()
  first.response.write('retry: 1\nid: a\ndata: {"n":1}\n\n')
  expect(await next()).toBe('message {"n":1} a')
  first.response.write('id: b\ndata: {"n":2}\n\n')
  const second = await accept()
  expect(second.request.headers['last-event-id']).toBe('a')
  second.response.write('id: b\ndata: {"n":2}\n\n')
  expect(await next()).toBe('message {"n":2} b')
  const resent = await proxy.waitForServerMessage({ n: 2 }, { nth: 2 })
  expect(resent.connection.attempt).toBe(2)
})
