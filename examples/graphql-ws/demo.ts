import { json, startInterceptionProxy, type TrafficEvent } from '@midwire/sdk'
import { WebSocket } from 'ws'
import { countdown, openClient, type WireMessage } from './client.ts'
import { startServer } from './server.ts'

await using server = await startServer()
await using proxy = await startInterceptionProxy({ codec: json<WireMessage>(), route: { 'api.example.com': server.url } })

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

console.log(`A subscription to countdown(from: 3) has seen ${seen.join(', ')}. On the wire, as the client meant it:`)
for (const event of proxy.journal.read()) {
  const line = lineOf(event)
  if (line) console.log(line)
}

function lineOf(event: TrafficEvent): string | undefined {
  if (event.kind === 'tcp') return `\n${event.host}:${event.port} ${event.outcome()}`
  const at = `+${event.at.toFixed(0)} ms`.padStart(9)
  if (event.kind === 'connection') return `${at}  open ${event.connection.url}, attempt ${event.connection.attempt}`
  if (event.kind === 'injected') return `${at}  Midwire: ${event.what}`
  if (!('from' in event)) return undefined
  const way = event.from === 'client' ? 'client → server' : 'server → client'
  if (event.kind === 'message')
    return `${at}  ${way}  ${event.message.text}${event.message.verdict?.kind === 'drop' ? '   ✗ dropped by the rule' : ''}`
  return `${at}  ${way}  ${event.kind === 'close' ? `close ${event.code} ${event.reason}` : event.kind}`
}
