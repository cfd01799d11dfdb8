import { json } from '@midwire/sdk'
import { useInterceptionProxy } from '@midwire/vitest-plugin'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { SafeClient } from './client.ts'

interface Packet {
  readonly action?: string
  readonly id?: number
  readonly n?: number
}

const proxy = useInterceptionProxy({
  codec: json<Packet>(),
  route: { 'chat.example.com': inject('server') },
  streams: [{ path: '/feed' }],
})

let client: SafeClient
beforeEach(() => {
  client = new SafeClient()
})
afterEach(() => client.close())

test('a lost message is sent again on the next connection', async () => {
  proxy.onClientMessage({ action: 'MESSAGE' }).once().drop().thenTerminate()
  client.send(7)
  const again = await proxy.waitForClientMessage({ action: 'MESSAGE' }, { nth: 2 })
  expect(again.value).toEqual({ action: 'MESSAGE', id: 7 })
  expect(again.connection.attempt).toBe(2)
})

test('a predicate of the page decides, and knows what the page knows', async () => {
  const lost = 2
  const rule = proxy.onClientMessage((value, message) => value.id === lost && message.from === 'client').drop()
  for (const id of [1, 2, 3]) client.send(id)
  await proxy.waitForServerMessage(({ id }) => id === 3)
  expect(rule.hits).toBe(1)
  expect(rule.messages.map(({ value }) => value.id)).toEqual([2])
  await proxy.expectNoServerMessage({ id: 2 })
})

test('functions of the page change and answer messages', async () => {
  const log: number[] = []
  proxy.onServerMessage({ action: 'ACK' }).patch(value => ({ ...value, id: Number(value.id) + 100 }))
  proxy.onClientMessage({ id: 5 }).reply(({ id }) => ({ action: 'ECHO', id: Number(id) }))
  proxy.onClientMessage().observe(({ id }) => void log.push(Number(id)))
  client.send(4)
  client.send(5)
  expect(await client.heard(3)).toContain('{"action":"ACK","id":104}')
  expect(client.got).toContain('{"action":"ECHO","id":5}')
  expect(log).toEqual([4, 5])
})

test('a handler of the page takes its time', async () => {
  proxy.onClientMessage({ action: 'MESSAGE' }).handle(async ({ id }) => {
    await new Promise(resolve => setTimeout(resolve))
    return id === 1 ? { kind: 'drop' } : undefined
  })
  client.send(1)
  client.send(2)
  expect((await client.heard(2)).at(-1)).toBe('{"action":"ACK","id":2}')
})

test('what is held goes when the page says so, and messages of its own go at once', async () => {
  const acks = proxy.onServerMessage({ action: 'ACK' }).hold()
  client.send(1)
  const held = await acks.next()
  expect(acks.held).toEqual([held])
  expect(held).toMatchObject({ from: 'server', value: { id: 1 }, binary: false })
  proxy.connection.sendToClient({ action: 'NEWS' }, { at: 'now' })
  acks.release(held)
  await held.whenDelivered
  expect(await client.heard(3)).toEqual(['{"action":"CONNECTED"}', '{"action":"NEWS"}', '{"action":"ACK","id":1}'])
  expect(new TextDecoder().decode(held.bytes)).toBe('{"action":"ACK","id":1}')
})

test('fetch and EventSource are on the wire, too', async () => {
  proxy.onRequest({ path: '/items' }).once().respondWith(503, '', { 'access-control-allow-origin': '*' })
  expect((await fetch('https://chat.example.com/items')).status).toBe(503)
  expect(await (await fetch('https://chat.example.com/items')).json()).toEqual({ items: ['one'] })
  expect(proxy.requests.map(({ path, delivered, response }) => [path, (delivered ?? response)?.status])).toEqual([
    ['/items', 503],
    ['/items', 200],
  ])

  proxy.onServerMessage({ n: 2 }).drop()
  const source = new EventSource('https://chat.example.com/feed')
  const seen: string[] = []
  await new Promise<void>(resolve =>
    source.addEventListener('message', ({ data }) => {
      if (seen.push(data) === 2) resolve()
    }),
  )
  source.close()
  expect(seen).toEqual(['{"n":1}', '{"n":3}'])
})

test('places in the order of what was seen are known again', async () => {
  await client.heard(1)
  const mark = proxy.mark()
  client.send(1)
  const sent = await proxy.waitForClientMessage({ action: 'MESSAGE' }, { after: mark })
  const ack = await proxy.waitForServerMessage({ action: expect.stringMatching(/^A/), id: expect.any(Number) }, { after: sent })
  await proxy.expectNoClientMessage({}, { after: sent, until: ack })
  expect(ack.connection).toBe(sent.connection)
  client.close()
  const closing = await proxy.waitForClose({ from: 'client' }, { after: ack })
  expect(closing).toMatchObject({ code: 1005, reason: '' })
  await proxy.expectNoServerMessage({}, { after: closing })
})

test('matchers look at what the page has sent and got', async () => {
  client.send(1)
  await client.heard(2)
  expect(proxy).toHaveSent({ id: 1 })
  expect(proxy).toHaveReceived({ action: 'ACK' })
  expect(proxy).not.toHaveSent(({ id }) => id === 2)
  expect(proxy).toHaveConnected(1)
  expect(() => expect(proxy).toHaveSent({ id: 2 })).toThrow('no client message matched so far')
})

test('nothing of the test before is seen, nor any rule of it', async () => {
  client.send(1)
  await client.heard(2)
  expect(proxy.connections).toHaveLength(1)
  expect(proxy.connection.attempt).toBe(1)
})

test('a wrong use is an error at its line', () => {
  const rule = proxy.onClientMessage().optional()
  expect(() => rule.delay(-1)).toThrow('delay(ms)')
  expect(() => rule.replace(undefined as never)).toThrow('expected a value or a function')
  expect(() => rule.handle('drop' as never)).toThrow(expect.objectContaining({ code: 'MIDWIRE_BAD_INPUT' }))
  rule.drop()
})

describe('a block', () => {
  test('has the client of its test', async () => {
    proxy.onConnect({ host: 'chat.example.com' }).once().respondWith(503)
    const other = new SafeClient()
    await proxy.waitForConnection({}, { nth: 2 })
    other.close()
  })
})
