import { graphqlWs } from '@midwire/sdk/graphql-ws'
import { useInterceptionProxy } from '@midwire/vitest-plugin'
import type { Client, ClientOptions } from 'graphql-ws'
import { afterAll, describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket as WsWebSocket } from 'ws'
import { countdown, openClient } from './client.ts'
import { startServer } from './server.ts'

const server = await startServer()
afterAll(() => server[Symbol.asyncDispose]())

const proxy = useInterceptionProxy({ codec: graphqlWs(), route: { 'api.example.com': server.url } })

function clientOf(options: Partial<ClientOptions>): Client {
  const client = openClient(options)
  onTestFinished(() => client.dispose())
  return client
}

describe.each([
  ['ws', WsWebSocket],
  ['the global WebSocket', WebSocket],
])('graphql-ws on %s', (_, webSocketImpl) => {
  test('a subscription survives the loss of its socket', async () => {
    proxy
      .onServerMessage({ type: 'next', payload: { data: { countdown: 2 } } })
      .once()
      .drop()
      .thenTerminate()
    const client = clientOf({ webSocketImpl })
    const retries: boolean[] = []
    client.on('connected', (_socket, _payload, wasRetry) => retries.push(wasRetry))

    const seen: number[] = []
    await countdown(client, 3, n => seen.push(n))

    const first = await proxy.waitForClientMessage({ type: 'subscribe' })
    const again = await proxy.waitForClientMessage({ type: 'subscribe' }, { nth: 2 })
    expect(again.connection.attempt).toBe(2)
    expect(again.value).toEqual(first.value)
    expect(retries).toEqual([false, true])
    expect(seen).toEqual([3, 3, 2, 1])
  })

  test('close 4400 ends a subscription, and no further handshake is made', async () => {
    proxy.onClientMessage({ type: 'subscribe' }).drop().thenClose(4400, 'Invalid query')

    await expect(countdown(clientOf({ webSocketImpl }), 3, () => {})).rejects.toMatchObject({ code: 4400, reason: 'Invalid query' })
    expect(proxy.connections).toHaveLength(1)
  })

  test('a client whose connection is never acknowledged gives up with 4504', async () => {
    const acks = proxy.onServerMessage({ type: 'connection_ack' }).hold()
    const gaveUp = countdown(clientOf({ webSocketImpl, connectionAckWaitTimeout: 50, retryAttempts: 0 }), 3, () => {})

    const close = await proxy.waitForClose({ from: 'client' })
    expect(close.code).toBe(4504)
    acks.releaseAll() // the server's answer to the close frame stands behind it
    await expect(gaveUp).rejects.toMatchObject({ code: 4504 })
  })
})

test('an HTTP exchange passes untouched, streamed both ways, and is in the journal', async () => {
  const { readable, writable } = new TransformStream<string, string>()
  const lines = writable.getWriter()
  void lines.write('{ "query": "{ hello(name: \\"Ada\\") }" }\n')
  const response = await fetch('https://api.example.com/graphql', {
    method: 'POST',
    headers: { 'X-Tenant': 'a' },
    body: readable.pipeThrough(new TextEncoderStream()),
    duplex: 'half',
  })
  const answers = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  expect((await answers.read()).value).toBe('{"data":{"hello":"Hello, Ada"}}\n') // while the request is still being sent
  void lines.write('{ "query": "{ hello(name: \\"Bob\\") }" }\n')
  expect((await answers.read()).value).toBe('{"data":{"hello":"Hello, Bob"}}\n')
  void lines.close()
  expect((await answers.read()).done).toBe(true)

  const exchange = await proxy.waitForRequest({ method: 'POST', path: '/graphql' })
  expect(exchange).toMatchObject({
    url: 'https://api.example.com/graphql',
    headers: { host: 'api.example.com', 'x-tenant': 'a' },
    response: { status: 200, headers: { 'content-type': 'application/jsonl' } },
  })
  expect(exchange.response!.at).toBeGreaterThanOrEqual(exchange.at)
  expect(exchange.endedAt).toBeGreaterThanOrEqual(exchange.response!.at)
})
