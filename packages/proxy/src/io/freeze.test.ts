import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket as WsWebSocket, WebSocketServer } from 'ws'
import type { Connection } from '../connection.ts'
import type { ProxyEngine } from '../engine.ts'
import type { Message } from '../message.ts'
import { startProxy } from '../proxy.ts'
import { tellsResetBehindData } from '../../test/reset.ts'

/** A client and a server that answer nothing by themselves but pings, and the connection between them. */
async function wire(): Promise<{ proxy: ProxyEngine; connection: Connection; client: WsWebSocket; server: WsWebSocket }> {
  const listening = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  await once(listening, 'listening')
  onTestFinished(() => new Promise<void>(resolve => listening.close(() => resolve())))
  const proxy = await startProxy({ adoptUnscoped: true })
  onTestFinished(() => proxy.close())
  const accepted = once(listening, 'connection') as Promise<[WsWebSocket]>
  const address = listening.address()
  const client = new WsWebSocket(`ws://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`)
  client.on('error', () => {})
  await once(client, 'open')
  const [server] = await accepted
  server.on('error', () => {})
  onTestFinished(() => server.terminate())
  return { proxy, connection: proxy.connections[0]!, client, server }
}

function heard(socket: WsWebSocket): string[] {
  const events: string[] = []
  socket.on('message', data => events.push(String(data)))
  socket.on('ping', data => events.push(`ping ${String(data)}`))
  socket.on('pong', data => events.push(`pong ${String(data)}`))
  socket.on('close', (code, reason) => events.push(`close ${code} ${String(reason)}`.trim()))
  return events
}

async function quiet(): Promise<void> {
  for (let n = 0; n < 20; n++) await setImmediate()
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await setImmediate()
}

test('nothing passes a frozen connection, no ping and no close either; on thaw it comes in order', async () => {
  const { connection, client, server } = await wire()
  const [atClient, atServer] = [heard(client), heard(server)]
  connection.freeze()
  client.ping('p')
  client.send('a')
  client.send('b')
  server.send('c')
  server.ping('q')
  server.send('d')
  server.close(4001, 'bye')
  await quiet()
  expect([...atClient, ...atServer]).toEqual([])
  connection.thaw()
  await until(() => atClient.some(text => text.startsWith('close')) && atServer.some(text => text.startsWith('close')))
  expect(atClient.filter(text => !text.startsWith('pong'))).toEqual(['c', 'ping q', 'd', 'close 4001 bye'])
  expect(atServer.filter(text => !text.startsWith('pong'))).toEqual(['ping p', 'a', 'b', 'close 4001 bye'])
})

test('a message on a frozen connection is delivered when that thaws, and not before', async () => {
  const { proxy, connection, client, server } = await wire()
  const messages = (): Message[] => [...proxy.journal.read()].flatMap(event => (event.kind === 'message' ? [event.message] : []))
  const atServer = heard(server)
  client.send('before')
  await until(() => atServer.length === 1)
  connection.freeze({ from: 'client' })
  client.send('a')
  server.send('b')
  await until(() => messages().length === 3)
  const [before, a, b] = messages()
  expect([before, a, b].map(message => [message?.text, message?.settled, message?.delivered?.length])).toEqual([
    ['before', true, 6],
    ['a', false, undefined],
    ['b', true, 1],
  ])
  const delivered: unknown[] = []
  void a?.whenDelivered.then(bytes => delivered.push(String(bytes)))
  await quiet()
  expect(delivered).toEqual([])
  connection.thaw()
  await a?.whenDelivered
  expect(delivered).toEqual(['a'])
  expect(a?.settled).toBe(true)
})

test('what a frozen connection kept when it was terminated was never delivered', async () => {
  const { proxy, connection, client } = await wire()
  connection.freeze()
  client.send('a')
  const messages = (): Message[] => [...proxy.journal.read()].flatMap(event => (event.kind === 'message' ? [event.message] : []))
  await until(() => messages().length === 1)
  connection.terminate()
  expect(await messages()[0]?.whenDelivered).toBeUndefined()
  expect(messages()[0]?.settled).toBe(true)
})

test('one direction can freeze alone', async () => {
  const { proxy, connection, client, server } = await wire()
  const [atClient, atServer] = [heard(client), heard(server)]
  connection.freeze({ from: 'server' })
  client.ping('p')
  await until(() => atServer.includes('ping p'))
  server.send('c')
  await quiet()
  expect(atClient).toEqual([])
  connection.thaw({ from: 'client' })
  await quiet()
  expect(atClient).toEqual([])
  connection.thaw({ from: 'server' })
  await until(() => atClient.length === 2)
  expect(atClient).toEqual(['pong p', 'c'])
  const notes = [...proxy.journal.read()].flatMap(event => (event.kind === 'note' ? [event.text] : []))
  expect(notes).toEqual(['frozen: nothing that the server sends passes', 'thawed: what the server sent goes on'])
})

test.for(['terminate', 'reset'] as const)(
  'a frozen connection that its client gives up ends on thaw, behind what it had said (%s)',
  async (how, { skip }) => {
    skip(how === 'reset' && !tellsResetBehindData)
    const { connection, client, server } = await wire()
    const atServer = heard(server)
    const ended = new Promise<string>(resolve => {
      const socket = Reflect.get(server, '_socket') as NodeJS.EventEmitter
      socket.once('end', () => resolve('terminate'))
      socket.once('error', () => resolve('reset'))
    })
    connection.freeze()
    client.send('last words')
    // What it said has left it.
    await until(() => client.bufferedAmount === 0)
    await quiet()
    if (how === 'terminate') client.terminate()
    else (Reflect.get(client, '_socket') as Socket).resetAndDestroy()
    await once(client, 'close')
    await quiet()
    expect(atServer).toEqual([])
    connection.thaw()
    await until(() => atServer.length === 2)
    expect(atServer).toEqual(['last words', 'close 1006'])
    expect(await ended).toBe(how)
  },
)

test('at the end of the test that froze it, it thaws in order and is closed as ever', async () => {
  const { proxy, client, server } = await wire()
  const scope = proxy.openScope('a test')
  const [connection] = proxy.connections
  const atClient = heard(client)
  proxy.run(scope, () => connection?.freeze())
  server.send('a')
  server.send('b')
  await quiet()
  expect(atClient).toEqual([])
  await proxy.endScope(scope)
  await until(() => atClient.length === 2)
  expect(atClient).toEqual(['a', 'b'])
  expect(connection?.state).toBe('open')
  await proxy.close()
  await until(() => atClient.length === 3)
  expect(atClient[2]).toBe('close 1001')
})

test.for([
  ['terminate', 'end'],
  ['reset', 'error'],
] as const)('%s() ends a frozen connection all the same', async ([verb, event]) => {
  const { connection, client, server } = await wire()
  const [atClient, atServer] = [heard(client), heard(server)]
  const seen = once(Reflect.get(client, '_socket') as NodeJS.EventEmitter, event).catch(() => {})
  connection.freeze()
  client.send('lost')
  await quiet()
  connection[verb]()
  await seen
  await until(() => atClient.length > 0 && atServer.length > 0)
  expect([atClient, atServer]).toEqual([['close 1006'], ['close 1006']])
})

test('a frozen connection that much is sent on stops being read: memory is bounded', async () => {
  const { connection, server, client } = await wire()
  const got: number[] = []
  client.on('message', data => got.push((data as Buffer).length))
  connection.freeze()
  const chunk = Buffer.alloc(256 * 1024)
  const total = 200
  for (let n = 0; n < total; n++) server.send(chunk)
  // The kernel takes some megabytes, and the engine its window; the rest waits with its sender.
  let before = -1
  while (server.bufferedAmount !== before) {
    before = server.bufferedAmount
    await quiet()
  }
  expect(server.bufferedAmount).toBeGreaterThan(total * chunk.length * 0.6)
  connection.thaw()
  await until(() => got.length === total)
  expect(got.every(length => length === chunk.length)).toBe(true)
})

test('a closed connection cannot freeze, and a frozen one may freeze again', async () => {
  const { connection, client } = await wire()
  connection.freeze()
  connection.freeze({ from: 'client' })
  connection.thaw()
  connection.thaw()
  expect(() => connection.freeze({ from: 'both' as 'client' })).toThrow("freeze({ from }): \"both\" — expected 'client' or 'server'")
  client.close()
  await until(() => connection.state === 'closed')
  expect(() => connection.freeze()).toThrow('which is closed')
  connection.thaw()
})
