import { once } from 'node:events'
import type { Codec } from '@midwire/proxy'
import { expect, test } from 'vitest'
import { startInterceptionProxy } from '../start.ts'

/** Numbers, in the base that the handshake asks for. */
const digits: Codec<number, { readonly base: number }> = {
  name: 'digits',
  state: ({ url }) => ({ base: Number(new URL(url).searchParams.get('base') ?? 10) }),
  decode: (bytes, { state }) => ({
    messages: [{ value: Number.parseInt(Buffer.from(bytes).toString(), state.base), bytes }],
    rest: new Uint8Array(0),
  }),
  encode: (value, { state }) => value.toString(state.base),
}

test('a codec learns from the URL how a connection is written, before its first message', async () => {
  await using proxy = await startInterceptionProxy({ codec: digits, upstream: 'none' })
  proxy.onConnect().accept(10)
  proxy.onClientMessage(255).reply(11)

  const received: unknown[] = []
  for (const base of [16, 2]) {
    const client = new WebSocket(`wss://numbers.example.com/?base=${base}`)
    const [greeting] = await once(client, 'message')
    client.send((255).toString(base))
    const [answer] = await once(client, 'message')
    const connection = await proxy.waitForConnection({ query: { base: String(base) } })
    connection.sendToClient(12)
    const [more] = await once(client, 'message')
    received.push([greeting.data, answer.data, more.data])
  }

  expect(received).toEqual([
    ['a', 'b', 'c'],
    ['1010', '1011', '1100'],
  ])
  await proxy.waitForServerMessage(10)
})
