import { HttpTransportType, HubConnectionBuilder, JsonHubProtocol, LogLevel, MessageType, NullLogger } from '@microsoft/signalr'
import type { HubConnection, IHubProtocol } from '@microsoft/signalr'
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { startInterceptionProxy } from '../start.ts'
import { bytesOf, CodecReader, expectStreamLaws } from '../testing/codec-reader.ts'
import { jsonData } from '../testing/json-data.ts'
import { startSocketServer } from '../testing/socket-server.ts'
import { signalR } from './signalr.ts'
import { signalRMsgpack } from './signalr-msgpack.ts'
import type { SignalRMessage } from './signalr-message.ts'

const id = fc.nat().map(String)
const value = jsonData
const headers = fc.dictionary(fc.stringMatching(/^[a-z]{1,5}$/), fc.string(), { minKeys: 1, maxKeys: 2 }).map(some => ({ ...some }))
const call = { target: fc.string({ minLength: 1 }), arguments: fc.array(value, { maxLength: 3 }) }
const streamIds = fc.array(id, { minLength: 1, maxLength: 2 })

const messages: fc.Arbitrary<SignalRMessage> = fc.oneof(
  fc.record(
    { type: fc.constant(1 as const), ...call, invocationId: id, streamIds, headers },
    { requiredKeys: ['type', 'target', 'arguments'] },
  ),
  fc.record(
    { type: fc.constant(4 as const), ...call, invocationId: id, streamIds },
    { requiredKeys: ['type', 'target', 'arguments', 'invocationId'] },
  ),
  fc.record({ type: fc.constant(2 as const), invocationId: id, item: value }),
  fc.record({ type: fc.constant(3 as const), invocationId: id, result: value }, { requiredKeys: ['type', 'invocationId'] }),
  fc.record({ type: fc.constant(3 as const), invocationId: id, error: fc.string({ minLength: 1 }) }),
  fc.record({ type: fc.constant(5 as const), invocationId: id }),
  fc.record({ type: fc.constant(6 as const) }),
  fc.record({ type: fc.constant(7 as const), error: fc.string(), allowReconnect: fc.boolean() }, { requiredKeys: ['type'] }),
  fc.record({ type: fc.constantFrom(8 as const, 9 as const), sequenceId: fc.nat() }),
)

const handshake = { protocol: 'json', version: 1 }

describe.each([
  ['JSON', signalR, new JsonHubProtocol()],
  ['MessagePack', signalRMsgpack, new MessagePackHubProtocol()],
])('the %s hub protocol', (_, codec: () => ReturnType<typeof signalRMsgpack> | ReturnType<typeof signalR>, protocol: IHubProtocol) => {
  /** The same codec, whatever its state is. */
  const any: typeof signalR = codec

  test('is read in any chunking, behind its handshake', () => {
    const written = fc.array(messages).map(sent => {
      const writer = new CodecReader(any())
      return [handshake, ...sent].map(one => ({ value: one, bytes: Buffer.concat(writer.encode(one).map(bytesOf)) }))
    })
    expectStreamLaws({ codec: any, messages: written })
  })

  test('is read from what @microsoft/signalr writes, which reads what is written', () => {
    const read: readonly unknown[] = [MessageType.Invocation, MessageType.StreamItem, MessageType.Completion, MessageType.Close]
    fc.assert(
      fc.property(messages, message => {
        const reader = new CodecReader(any())
        reader.push('{}\x1e')
        const theirs = protocol.writeMessage({ headers: {}, ...message } as never)
        reader.push(typeof theirs === 'string' ? theirs : Buffer.from(theirs))
        // Their writer never closes with `allowReconnect`: it is a client's.
        expect(reader.values[1]).toMatchObject(message.type === MessageType.Close.valueOf() ? { type: 7 } : message)

        // Their clients read no more than what a server sends.
        if (!read.includes(message.type)) return
        const [ours = ''] = reader.encode(message)
        const input = typeof ours === 'string' ? ours : Uint8Array.from(ours).buffer
        const [parsed] = protocol.parseMessages(input, NullLogger.instance)
        // Their MessagePack has no place for the streams of an invocation.
        expect(parsed).toMatchObject({ ...message, ...('streamIds' in message && { streamIds: expect.any(Array) }) })
      }),
    )
  })

  test('a handshake is read before anything else, and what it answers', () => {
    expect(new CodecReader(any()).push('{"protocol":"json","version":1}\x1e').values).toEqual([handshake])
    expect(new CodecReader(any(), { from: 'server' }).push(Buffer.from('{"error":"no"}\x1e')).values).toEqual([{ error: 'no' }])
  })
})

test('MessagePack: what is none of its messages does not decode, and those beside it do', () => {
  const reader = new CodecReader(signalRMsgpack())
  reader.push(
    Buffer.concat([Buffer.from('{}\x1e'), Buffer.of(2, 0x91, 6), Buffer.of(2, 0x91, 99), Buffer.of(1, 0xc0), Buffer.of(2, 0x91, 6)]),
  )
  expect(reader.messages.map(({ value: read, undecodable }) => undecodable ?? read)).toEqual([
    {},
    { type: 6 },
    'no message type of the hub protocol: 99',
    'expected an array',
    { type: 6 },
  ])
  expect(() => reader.encode({ type: 99 } as never)).toThrow('no message type of the hub protocol: 99')
})

describe.each([
  ['JSON', signalR, undefined],
  ['MessagePack', signalRMsgpack, new MessagePackHubProtocol()],
] as const)('a real client over %s', (name, codec, protocol) => {
  test('loses an invocation of two, has a result changed and a third one answered on the wire', async () => {
    // What the hub does is scripted: it doubles numbers, after a handshake that it answers together with a ping.
    await using server = await startSocketServer(socket => {
      const reader = new CodecReader(codec())
      const writer = new CodecReader(codec(), { from: 'server' })
      const written = (message: SignalRMessage): Buffer => Buffer.concat(writer.encode(message).map(bytesOf))
      const say = (...sent: SignalRMessage[]): void => {
        const payload = Buffer.concat(sent.map(written))
        socket.send(name === 'JSON' ? payload.toString() : payload)
      }
      socket.on('message', (data: Buffer, isBinary) => {
        const before = reader.messages.length
        reader.push(isBinary ? data : data.toString())
        for (const message of reader.values.slice(before)) {
          if (message?.type === undefined) say({}, { type: 6 })
          else if (message.type === 1 && message.invocationId !== undefined)
            say({ type: 3, invocationId: message.invocationId, result: Number(message.arguments[0]) * 2 })
        }
      })
    })
    await using proxy = await startInterceptionProxy({
      codec: codec(),
      route: { 'hub.example.com': server.url },
    })
    proxy.onServerMessage({ type: 6 }).drop()
    proxy.onClientMessage({ type: 1, target: 'double', arguments: [13] }).drop()
    proxy.onServerMessage({ type: 3, result: 4 }).patch({ result: 5 })
    proxy.onClientMessage({ type: 1, target: 'ask' }).reply(message => ({
      type: 3,
      invocationId: (message.type === 1 && message.invocationId) || '',
      error: 'not today',
    }))

    const client = build(protocol)
    try {
      await client.start()
      void client.send('double', 13)
      expect(await client.invoke('double', 2)).toBe(5)
      expect(await client.invoke('double', 3)).toBe(6)
      await expect(client.invoke('ask')).rejects.toThrow('not today')
      const asked = await proxy.waitForClientMessage({ protocol: name === 'JSON' ? 'json' : 'messagepack' })
      expect(asked.index).toBe(0)
      expect((await proxy.waitForServerMessage({ type: 6 })).delivered).toBeUndefined()
    } finally {
      await client.stop()
    }
  })
})

function build(protocol: IHubProtocol | undefined): HubConnection {
  const builder = new HubConnectionBuilder()
    .withUrl('http://hub.example.com/double', { skipNegotiation: true, transport: HttpTransportType.WebSockets })
    .configureLogging(LogLevel.None)
  return (protocol ? builder.withHubProtocol(protocol) : builder).build()
}
