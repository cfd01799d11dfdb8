import { once } from 'node:events'
import { expect, onTestFinished, test } from 'vitest'
import { WebSocket, WebSocketServer } from 'ws'
import { startProxy } from '../src/proxy.ts'
import { createMatch } from '../src/rule/match.ts'
import type { Corruption } from '../src/rule/verdict.ts'
import type { Side } from '../src/side.ts'

/** What became of one end: the code of its error, and the code and cleanness of its close event. */
interface End {
  readonly socket: WebSocket
  readonly messages: string[]
  readonly over: Promise<{ readonly error: string | undefined; readonly code: number }>
}

function end(socket: WebSocket): End {
  const messages: string[] = []
  let error: string | undefined
  socket.on('message', data => messages.push(String(data)))
  socket.on('error', failure => (error = 'code' in failure ? String(failure.code) : failure.message))
  return { socket, messages, over: new Promise(resolve => socket.on('close', code => resolve({ error, code }))) }
}

/** A `ws` client and a `ws` server on the two ends of a captured connection, on which one message of `from` is broken. */
async function brokenBy(how: Corruption, from: Side): Promise<Record<Side, End>> {
  const listener = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => void listener.close())
  await once(listener, 'listening')
  const address = listener.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  const proxy = await startProxy({ adoptUnscoped: true })
  onTestFinished(() => proxy.close())
  proxy.rules.add({
    on: 'message',
    scope: proxy.root,
    at: { file: import.meta.url, line: 1, column: 1 },
    start: 'onMessage',
    optional: false,
    from,
    match: createMatch((_: unknown, message: { readonly text: string }) => message.text === 'broken') as never,
    action: { kind: 'corrupt', how },
    then: [],
  })
  const accepted = once(listener, 'connection')
  const client = new WebSocket(`ws://127.0.0.1:${address.port}/`)
  onTestFinished(() => void client.terminate())
  const ends = { client: end(client), server: end((await accepted)[0]) }
  if (client.readyState !== WebSocket.OPEN) await once(client, 'open')
  const { socket } = ends[from]
  socket.send('whole')
  socket.send('broken')
  return ends
}

/** RFC 6455 §7.4.1: 1002 a protocol error, 1007 text that is not UTF-8; 1006 where no close frame came. */
const table: readonly [how: Corruption, error: string | undefined, code: number][] = [
  ['utf8', 'WS_ERR_INVALID_UTF8', 1007],
  ['opcode', 'WS_ERR_INVALID_OPCODE', 1002],
  ['rsv', 'WS_ERR_UNEXPECTED_RSV_2_3', 1002],
  ['control', 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH', 1002],
  ['truncate', undefined, 1006],
]

for (const from of ['client', 'server'] as const) {
  const to = from === 'client' ? 'server' : 'client'
  test.for(table)(`a ${to} that receives %s fails with %s, and its peer sees %i (T69)`, async ([how, error, code]) => {
    const ends = await brokenBy(how, from)
    expect(await ends[to].over).toEqual({ error, code: 1006 })
    expect(await ends[from].over).toMatchObject({ code })
    expect(ends[to].messages).toEqual(['whole'])
  })
}

test('a receiver gets a rejected payload as a message like any other: it is the program that must refuse it', async () => {
  const { client } = await brokenBy('payload', 'server')
  while (client.messages.length < 2) await once(client.socket, 'message')
  expect(client.messages).toEqual(['whole', 'bro'])
  expect(client.socket.readyState).toBe(WebSocket.OPEN)
})
