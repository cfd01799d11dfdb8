import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, startInterceptionProxy } from '@midwire/sdk'
import { ChatClient } from './chat-client.ts'
import type { ChatMessage } from './chat-client.ts'
import { startChatServer } from './chat-server.ts'

const codec = json<ChatMessage>()

test('a message whose acknowledgement was lost is said again on the next connection', async () => {
  await using server = await startChatServer()
  await using proxy = await startInterceptionProxy({ codec, route: { 'chat.example.com': server.url } })
  proxy.onServerMessage({ type: 'ack' }).once().drop().thenTerminate()

  using client = new ChatClient()
  await client.say('hello')

  const again = await proxy.waitForClientMessage({ type: 'say', text: 'hello' }, { nth: 2 })
  assert.equal(again.connection.attempt, 2)
  assert.equal(again.connection.url, 'wss://chat.example.com/v1')
})

test('the client waits for an acknowledgement that is held', async () => {
  await using server = await startChatServer()
  await using proxy = await startInterceptionProxy({ codec, route: { 'chat.example.com': server.url } })
  const acks = proxy.onServerMessage({ type: 'ack' }).hold()

  using client = new ChatClient()
  let isAcked = false
  const said = client.say('hello').then(() => (isAcked = true))
  await acks.next()
  assert.equal(isAcked, false)
  acks.releaseAll()
  await said
})

test('the client comes back after it was refused', async () => {
  await using server = await startChatServer()
  await using proxy = await startInterceptionProxy({ codec, route: { 'chat.example.com': server.url } })
  proxy.onConnect({ host: 'chat.example.com' }).times(2).refuse()

  using client = new ChatClient()
  await client.say('hello')
  assert.deepEqual(proxy.hosts, ['chat.example.com', 'chat.example.com', 'chat.example.com'])
})
