import * as fc from 'fast-check'
import { Socket } from 'phoenix'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startInterceptionProxy } from '../start.ts'
import { CodecReader } from '../testing/codec-reader.ts'
import { jsonData } from '../testing/json-data.ts'
import { startSocketServer } from '../testing/socket-server.ts'
import { phoenix } from './phoenix.ts'
import type { PhoenixMessage } from './phoenix.ts'

const field = fc.string({ maxLength: 60 })
const bytes = fc.uint8Array({ maxLength: 200 }).map(some => Buffer.from(some))
const ref = fc.nat().map(String)

describe.each(['client', 'server'] as const)('what the %s sends', from => {
  const text = fc.record({
    join_ref: fc.option(ref),
    ref: fc.option(ref),
    topic: field,
    event: field,
    payload: jsonData,
  })
  const push = fc.record({ join_ref: ref, ref, topic: field, event: field, payload: bytes })
  const serverPush = fc.record({ join_ref: ref, ref: fc.constant(null), topic: field, event: field, payload: bytes })
  const broadcast = fc.record({ join_ref: fc.constant(null), ref: fc.constant(null), topic: field, event: field, payload: bytes })
  const reply = fc.record({
    join_ref: ref,
    ref,
    topic: field,
    event: fc.constant('phx_reply'),
    payload: fc.record({ status: fc.constantFrom('ok', 'error'), response: bytes }),
  })
  const messages: fc.Arbitrary<PhoenixMessage> = from === 'client' ? fc.oneof(text, push) : fc.oneof(text, serverPush, broadcast, reply)

  test('is written as text or binary, and read as the same', () => {
    fc.assert(
      fc.property(messages, message => {
        const reader = new CodecReader(phoenix(), { from })
        const [written = ''] = reader.encode(message)
        const hasBytes = (value: unknown): boolean =>
          Buffer.isBuffer(value) ||
          (from === 'server' && typeof value === 'object' && value !== null && Buffer.isBuffer(Reflect.get(value, 'response')))
        expect(typeof written === 'string').toBe(!hasBytes(message.payload))
        expect(reader.push(written).values).toEqual([message])
      }),
    )
  })
})

test.each([
  ['an object', '{}', 'expected [join_ref, ref, topic, event, payload]'],
  ['an array that is too short', '["1","2","room"]', 'expected [join_ref'],
  ['an unknown kind', Buffer.of(7, 0, 0), 'no kind of binary message: 7'],
  ['a binary message that is cut', Buffer.of(0, 1, 1, 9, 9, 0x31), 'the message is shorter than its fields'],
  ['nothing', Buffer.alloc(0), 'no kind of binary message: undefined'],
])('%s does not decode', (_, payload, reason) => {
  expect(() => new CodecReader(phoenix()).push(payload)).toThrow(reason)
})

test('a field that is too long for a binary message is not written', () => {
  const message = { join_ref: '1', ref: '1', topic: 'x'.repeat(256), event: 'a', payload: Buffer.of(1) }
  expect(() => new CodecReader(phoenix()).encode(message)).toThrow('a field of a binary message has at most 255 bytes: "xxx')
})

test('the phoenix client joins, pushes text and bytes, and sees what the rules make of it', async () => {
  const seen: unknown[] = []
  await using server = await startSocketServer(socket => {
    const codec = phoenix()
    const side = (from: 'client' | 'server', binary: boolean) => ({ from, binary, protocol: '', state: undefined })
    socket.on('message', (data: Buffer, isBinary) => {
      const [message] = codec.decode(data, side('client', isBinary)).messages
      if (message?.value === undefined) return
      const { payload, event } = message.value
      seen.push([event, payload])
      const response = Buffer.isBuffer(payload) ? Buffer.from(`got ${payload.toString()}`) : payload
      const reply = codec.encode({ ...message.value, event: 'phx_reply', payload: { status: 'ok', response } }, side('server', true))
      for (const part of [reply].flat()) socket.send(part)
    })
  })
  await using proxy = await startInterceptionProxy({ codec: phoenix(), route: { 'phx.example.com': server.url } })
  proxy.onClientMessage({ event: 'shout', payload: { text: 'lost' } }).drop()
  proxy.onServerMessage({ event: 'phx_reply', payload: { response: Buffer.from('got bytes') } }).patch({
    payload: { response: Buffer.from('got others') },
  })
  proxy.onClientMessage({ event: 'ask' }).reply(({ join_ref, ref: asked, topic }) => ({
    join_ref,
    ref: asked,
    topic,
    event: 'phx_reply',
    payload: { status: 'error', response: { reason: 'not today' } },
  }))

  const client = new Socket('ws://phx.example.com/socket', { transport: WebSocket, vsn: '2.0.0' })
  try {
    client.connect()
    const channel = client.channel('room:1', {})
    await answered(channel.join())
    channel.push('shout', { text: 'lost' })
    expect(await answered(channel.push('shout', Uint8Array.from(Buffer.from('bytes')).buffer))).toEqual(['ok', 'got others'])
    expect(await answered(channel.push('ask', {}))).toEqual(['error', { reason: 'not today' }])
    expect(seen).toEqual([
      ['phx_join', {}],
      ['shout', Buffer.from('bytes')],
    ])
    const binaryPush = await proxy.waitForClientMessage({ payload: Buffer.from('bytes') })
    expect(binaryPush).toMatchObject({ binary: true, value: { topic: 'room:1', event: 'shout' } })
  } finally {
    client.disconnect()
  }
})

/** How a push was answered, and with what. */
async function answered(push: ReturnType<Socket['channel']>['join'] extends () => infer Push ? Push : never): Promise<[string, unknown]> {
  return new Promise(resolve => {
    for (const status of ['ok', 'error'] as const)
      push.receive(status, (response: unknown) =>
        resolve([status, response instanceof ArrayBuffer ? Buffer.from(response).toString() : response]),
      )
  })
}
