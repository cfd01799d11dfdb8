import { createClient } from 'graphql-ws'
import { useServer } from 'graphql-ws/use/ws'
import { expect, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { startInterceptionProxy } from '../start.ts'
import { CodecReader } from '../testing/codec-reader.ts'
import { startSocketServer } from '../testing/socket-server.ts'
import { graphqlWs } from './graphql-ws.ts'

test.each(['{"type":"next"}x', '[]', 'null', '{"type":"nex"}', '{"type":"__proto__"}', '{}'])('%s does not decode', text => {
  expect(() => new CodecReader(graphqlWs()).push(text)).toThrow(/JSON|no type of graphql-transport-ws/)
})

test('every type of the protocol is read and written', () => {
  const texts = [
    '{"type":"connection_init","payload":{"token":"a"}}',
    '{"type":"connection_ack"}',
    '{"type":"ping"}',
    '{"type":"pong","payload":{}}',
    '{"id":"1","type":"subscribe","payload":{"query":"{ a }"}}',
    '{"id":"1","type":"next","payload":{"data":{"a":1}}}',
    '{"id":"1","type":"error","payload":[{"message":"no"}]}',
    '{"id":"1","type":"complete"}',
  ]
  const reader = new CodecReader(graphqlWs())
  for (const text of texts) reader.push(text)
  expect(reader.values.flatMap(value => reader.encode(value!))).toEqual(texts)
})

test('a real client misses one of three results, has one changed, and is answered on the wire', async () => {
  await using server = await startSocketServer()
  // What is asked for is made up: the test is about the messages.
  const served = useServer(
    {
      onSubscribe: () =>
        ({
          schema: {},
          document: { kind: 'Document', definitions: [{ kind: 'OperationDefinition', operation: 'subscription' }] },
        }) as never,
      async *subscribe() {
        for (const countdown of [3, 2, 1]) yield { data: { countdown } }
      },
    },
    new WebSocketServer({ server: server.http }),
  )
  await using proxy = await startInterceptionProxy({ codec: graphqlWs(), route: { 'api.example.com': server.url } })
  proxy.onServerMessage({ type: 'next', payload: { data: { countdown: 2 } } }).drop()
  proxy.onServerMessage({ type: 'next', payload: { data: { countdown: 1 } } }).patch({ payload: { data: { countdown: 10 } } })
  proxy.onClientMessage({ type: 'subscribe', payload: { query: /refuse/ } }).reply(message => ({
    type: 'error',
    id: 'id' in message ? message.id : '',
    payload: [{ message: 'refused on the wire' }],
  }))

  const client = createClient({ url: 'ws://api.example.com/graphql', webSocketImpl: WebSocket, retryAttempts: 0 })
  const seen: unknown[] = []
  for await (const { data } of client.iterate({ query: 'subscription { countdown }' })) seen.push(data?.['countdown'])
  expect(seen).toEqual([3, 10])
  await expect(client.iterate({ query: 'subscription { refuse }' }).next()).rejects.toEqual([{ message: 'refused on the wire' }])
  await client.dispose()
  await served.dispose()
})
