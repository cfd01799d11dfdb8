import { socketIo } from '@midwire/sdk/socket-io'
import { useInterceptionProxy } from '@midwire/vitest-plugin'
import { io } from 'socket.io-client'
import type { Socket } from 'socket.io-client'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { startServer } from './server.ts'
import type { Events } from './server.ts'

const server = await startServer()
afterAll(() => server[Symbol.asyncDispose]())

const proxy = useInterceptionProxy({ codec: socketIo<Events>(), route: { 'news.example.com': server.url } })

/** A client that has heard number 0, so that it knows how far it has come. */
async function follow(): Promise<{ readonly client: Socket<Events>; readonly heard: readonly number[] }> {
  const client: Socket<Events> = io('wss://news.example.com', { transports: ['websocket'], reconnectionDelay: 1 })
  onTestFinished(() => void client.disconnect())
  const heard: number[] = []
  client.on('news', n => heard.push(n))
  await connected(client)
  const first = new Promise<void>(resolve => void client.once('news', () => resolve()))
  server.tell(0)
  await first
  return { client, heard }
}

function connected(client: Socket<Events>): Promise<void> {
  return new Promise(resolve => void client.once('connect', resolve))
}

/** The network goes without a word, three things happen, and it is there again. */
async function missThree(client: Socket<Events>): Promise<void> {
  const again = connected(client)
  await proxy.offline(async () => {
    for (const n of [1, 2, 3]) server.tell(n)
  })
  await again
}

test('what was missed in a silent drop is made up for, once', async () => {
  const { client, heard } = await follow()
  const { id } = client
  await missThree(client)

  const second = await proxy.waitForClientMessage({ type: 'CONNECT' }, { nth: 2 })
  expect(second.value).toEqual({ type: 'CONNECT', nsp: '/', data: { pid: expect.any(String), offset: expect.any(String) } })
  await proxy.connection.flushed()
  expect(client.recovered).toBe(true)
  expect(client.id).toBe(id)
  expect(heard).toEqual([0, 1, 2, 3])
})

test('a session that the server does not know begins anew', async () => {
  const { client, heard } = await follow()
  const { id } = client
  proxy.onClientMessage({ type: 'CONNECT', data: { pid: /./ } }).patch({ data: { pid: 'another' } })
  await missThree(client)

  await proxy.connection.flushed()
  expect(client.recovered).toBe(false)
  expect(client.id).not.toBe(id)
  expect(heard).toEqual([0])
})
