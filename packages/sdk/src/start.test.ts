import { expect, test } from 'vitest'
import { json } from './codec/json.ts'
import { startInterceptionProxy } from './start.ts'
import { startEchoServer, TestClient } from './testing/scripted-server.ts'

interface Note {
  readonly n: number
  readonly text?: string
}

test('a rule drops a message of an unmodified client at its default host, and a wait sees the next', async () => {
  await using server = await startEchoServer()
  await using proxy = await startInterceptionProxy({ codec: json<Note>(), route: { 'notes.example.com': server.url } })
  const lost = proxy.onClientMessage({ n: 1 }).once().drop()
  const client = await TestClient.open('wss://notes.example.com/v1?key=a')
  client.send({ n: 1 })
  client.send({ n: 2 })
  const echoed = await proxy.waitForServerMessage({ n: 2 })
  expect(echoed.value).toEqual({ n: 2 })
  expect(echoed.connection).toMatchObject({ host: 'notes.example.com', path: '/v1', attempt: 1, query: { key: 'a' } })
  expect(lost.hits).toBe(1)
  expect(lost.messages.map(message => message.value)).toEqual([{ n: 1 }])
  expect(await client.gets(1)).toEqual([{ n: 2 }])
})
