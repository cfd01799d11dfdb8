import type { Codec, Connection, ControlFrame, Exchange, Message } from '@midwire/proxy'
import { http, HttpResponse, ws } from 'msw'
import { graphql } from 'msw/graphql'
import { expect, expectTypeOf } from 'vitest'
import { binary } from './codec/binary.ts'
import { json } from './codec/json.ts'
import { text } from './codec/text.ts'
import { msgpack } from './codec/msgpack.ts'
import type { InterceptionProxy } from './interception-proxy.ts'
import type { HoldHandle, MessageRuleHandle } from './rule-handle.ts'
import { startInterceptionProxy } from './start.ts'

interface Attach {
  readonly action: 'ATTACH'
  readonly channel: string
  readonly params?: { readonly rewind: number; readonly tags: readonly string[] }
}
interface Ack {
  readonly action: 'ACK'
  readonly serial: number
}
type Protocol = Attach | Ack

declare const proxy: InterceptionProxy<Protocol>
declare const connection: Connection

// The codec's type runs through to the proxy.
expectTypeOf(json<Protocol>()).toEqualTypeOf<Codec<Protocol>>()
expectTypeOf(await startInterceptionProxy({ codec: json<Protocol>() })).toExtend<InterceptionProxy<Protocol> & AsyncDisposable>()
expectTypeOf(await startInterceptionProxy({ codec: msgpack<Ack>() })).toExtend<InterceptionProxy<Ack>>()
expectTypeOf((await startInterceptionProxy()).waitForClientMessage()).resolves.toEqualTypeOf<Message<Uint8Array>>()
expectTypeOf((await startInterceptionProxy({ codec: text() })).waitForClientMessage(/^a/)).resolves.toEqualTypeOf<Message<string>>()
expectTypeOf((await startInterceptionProxy({ codec: binary() })).onMessage().drop()).toEqualTypeOf<MessageRuleHandle<Uint8Array>>()

// A match is a deep part of one of the messages, with patterns and asymmetric matchers in place of values.
proxy.onClientMessage({ action: 'ATTACH' })
proxy.onClientMessage({ action: 'ATTACH', channel: /^a/ })
proxy.onClientMessage({ action: 'ATTACH', params: { rewind: 1 } })
proxy.onClientMessage({ action: 'ATTACH', params: { tags: ['a', /b/] } })
proxy.onClientMessage({ serial: expect.any(Number) })
proxy.onClientMessage(expect.objectContaining({ serial: 1 }))
// @ts-expect-error no such action
proxy.onClientMessage({ action: 'ATACH' })
// @ts-expect-error no such key
proxy.onClientMessage({ chanel: 'a' })
// @ts-expect-error not a number
proxy.onClientMessage({ action: 'ATTACH', params: { rewind: 'x' } })
// @ts-expect-error a pattern matches strings
proxy.onClientMessage({ serial: /1/ })

// Predicates get the value and the message, and may narrow.
proxy.onServerMessage((value, message) => {
  expectTypeOf(value).toEqualTypeOf<Protocol>()
  expectTypeOf(message).toEqualTypeOf<Message<Protocol>>()
  return value.action === 'ACK'
})
expectTypeOf(proxy.waitForServerMessage({ action: 'ACK' })).resolves.toEqualTypeOf<Message<Protocol>>()
expectTypeOf(proxy.waitForServerMessage((value): value is Ack => value.action === 'ACK')).resolves.toEqualTypeOf<Message<Ack>>()
// @ts-expect-error a predicate answers at once
void proxy.waitForServerMessage(async () => Promise.resolve('x'))

// Verbs and handles.
proxy.onMessage().patch({ action: 'ATTACH', channel: 'b' })
proxy.onMessage().patch({ params: { rewind: 2 } })
proxy.onMessage().patch(value => ({ ...value }))
proxy.onMessage().patch(() => {})
// @ts-expect-error not a part of any message
proxy.onMessage().patch({ chanel: 'b' })
proxy.onMessage().replace({ action: 'ACK', serial: 1 })
// @ts-expect-error a whole message is needed
proxy.onMessage().replace({ action: 'ACK' })
proxy.onMessage().handle(() => ({ kind: 'replace', value: { action: 'ACK', serial: 1 } }))
proxy.onMessage().handle(async value => (value.action === 'ACK' ? { kind: 'drop' } : undefined))
// @ts-expect-error no such verdict
proxy.onMessage().handle(() => ({ kind: 'dropp' }))
expectTypeOf(proxy.onMessage().hold()).toEqualTypeOf<HoldHandle<Protocol>>()
expectTypeOf(proxy.onMessage().hold().next()).resolves.toEqualTypeOf<Message<Protocol>>()
expectTypeOf(proxy.onMessage().drop().thenTerminate()).toExtend<MessageRuleHandle<Protocol>>()
proxy.onMessage().once().on(connection).named('x').drop().thenSendToClient({ action: 'ACK', serial: 1 }).thenClose(4000, 'x')
// @ts-expect-error not a message
proxy.onMessage().drop().thenSendToClient({ action: 'NACK' })

// Connections and requests.
proxy.onConnect({ host: /main/, query: { v: '6', tags: ['a', /b/] }, headers: { origin: expect.any(String) } })
// @ts-expect-error no such key
proxy.onConnect({ hots: 'a' })
// @ts-expect-error a status belongs to a response
void proxy.waitForRequest({ status: 200 })
void proxy.waitForResponse({ status: 200, method: 'GET' })
void proxy.waitForConnection(undefined, { after: await proxy.waitForClose({ code: 4001 }) })
void proxy.expectNoConnection(undefined, { until: proxy.waitForRequest() })

// Rules on requests.
proxy.onRequest()
proxy.onRequest({
  method: 'POST',
  host: /^api/,
  port: 443,
  path: '/keys',
  query: { v: '6' },
  headers: { 'X-Id': /./ },
  body: { a: [1, /b/] },
})
proxy.onRequest({ path: new URLPattern({ pathname: '/keys/:id' }), url: /keys/, body: /a=1/ })
proxy.onRequest(({ body, headers }) => body === headers['x-id'])
proxy.onRequest(request => request.method === 'GET', { body: true })
// @ts-expect-error no such key
proxy.onRequest({ status: 200 })
// @ts-expect-error a path is a text
proxy.onRequest({ path: 7 })
// @ts-expect-error a predicate answers at once
proxy.onRequest(async () => Promise.resolve(true))
proxy.onRequest().times(2).respondWith(503, { error: 'busy' }, { 'Retry-After': 1 })
proxy.onRequest().forwardThen(500)
proxy.onRequest().patchRequest({ method: 'PUT', query: { v: undefined, w: ['1', '2'] }, json: { a: 1 } })
proxy.onRequest().patchRequest(request => {
  expectTypeOf(request.headers).toEqualTypeOf<Record<string, string | string[] | undefined>>()
  request.text = request.text.toUpperCase()
})
proxy.onRequest().patchResponse({ status: 404, headers: { etag: undefined }, text: 'gone' })
proxy.onRequest().patchResponse((response, { path }) => {
  response.statusText = path
})
// @ts-expect-error a request has no status
proxy.onRequest().patchRequest({ status: 404 })
expectTypeOf(proxy.onRequest().hold({ response: true }).next()).resolves.toEqualTypeOf<Exchange>()
expectTypeOf(proxy.onRequest().delay(5, { response: true }).waitForHit()).resolves.toEqualTypeOf<Exchange>()
proxy.onRequest().reset({ at: { requestBytes: 5 }, to: 'client' })
proxy.onRequest().end({ at: 'afterResponse' })
proxy.onRequest().timeout({ at: { responseBytes: 0 } })
// @ts-expect-error no such point
proxy.onRequest().reset({ at: 'soon' })
// @ts-expect-error a stall is for both
proxy.onRequest().timeout({ to: 'client' })
proxy.onRequest().truncate(10)
proxy.onRequest().named('no deletes').forbid('keys stay')
proxy.use(
  http.get('https://api.example.com/keys/:id', ({ params }) => HttpResponse.json({ id: params['id'] })),
  http.post<never, { name: string }>('https://api.example.com/keys', async ({ request }) => HttpResponse.text((await request.json()).name)),
  graphql.link('https://api.example.com/graphql').query('GetKey', () => HttpResponse.json({ data: {} })),
)
// @ts-expect-error a handler is no function
proxy.use(() => {})
// @ts-expect-error a WebSocket is no request
proxy.use(ws.link('wss://a.example.com').addEventListener('connection', () => {}))
void proxy.waitForRequest({ body: { name: 'a' } })
void proxy.waitForResponse({ body: /a/, status: expect.any(Number) })

// Without a type, anything goes.
declare const untyped: InterceptionProxy<unknown>
untyped.onMessage({ any: { thing: 1 } })
untyped.onMessage().patch({ any: 1 })
untyped.onMessage(value => value === 1)

// Replies, repeats and holds have the codec's type, too.
proxy.onClientMessage({ action: 'ATTACH' }).reply({ action: 'ACK', serial: 1 })
proxy.onClientMessage({ action: 'ATTACH' }).reply(value => value)
// @ts-expect-error no such message
proxy.onClientMessage({ action: 'ATTACH' }).reply({ action: 'ACK' })
expectTypeOf(proxy.onServerMessage().holdUntil({ serial: 1 })).toEqualTypeOf<HoldHandle<Protocol>>()
// @ts-expect-error no such key
proxy.onServerMessage().holdUntil({ serail: 1 })
expectTypeOf(proxy.onServerMessage().duplicate().thenSendToClient({ action: 'ACK', serial: 1 })).toEqualTypeOf<
  MessageRuleHandle<Protocol>
>()
// @ts-expect-error no such kind
proxy.onMessage().corrupt('bits')
proxy.onMessage().every(2).skip(1).until({ action: 'ACK' }).after(proxy.onMessage().drop()).after(proxy.waitForConnection()).forbid('no')
// @ts-expect-error no such action
proxy.onConnect().until({ action: 'AKC' })

// Control frames: only close frames can be replaced.
expectTypeOf(proxy.onPing({ from: 'client' }).hold().next()).resolves.toEqualTypeOf<ControlFrame>()
proxy.onClose({ from: 'server', code: 4000, reason: /^x/ }).times(2).replace(4001, 'other')
// @ts-expect-error a ping has no code
proxy.onPing().replace(4001)

// One client of several is the same API.
expectTypeOf(proxy.client({ query: { id: 'a' } })).toEqualTypeOf<InterceptionProxy<Protocol>>()
