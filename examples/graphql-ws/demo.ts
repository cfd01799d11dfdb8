import { startInterceptionProxy } from '@midwire/sdk'
import { graphqlWs } from '@midwire/sdk/graphql-ws'
import { WebSocket } from 'ws'
import { countdown, openClient } from './client.ts'
import { startServer } from './server.ts'

await using server = await startServer()
await using proxy = await startInterceptionProxy({ codec: graphqlWs(), route: { 'api.example.com': server.url } })

// The second number is lost, and the socket with it.
proxy
  .onServerMessage({ type: 'next', payload: { data: { countdown: 2 } } })
  .once()
  .drop()
  .thenTerminate()

const client = openClient({ webSocketImpl: WebSocket, generateID: () => 'countdown' })
const seen: number[] = []
await countdown(client, 3, n => seen.push(n))
await client.dispose()
await proxy.waitForClose({ from: 'server', code: 1000 })

console.log(`A subscription to countdown(from: 3) has seen ${seen.join(', ')}. On the wire, as the client meant it:\n`)
console.log(proxy.transcript())
