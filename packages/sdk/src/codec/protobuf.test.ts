import { once } from 'node:events'
import { create, toBinary } from '@bufbuild/protobuf'
import { sizeDelimitedEncode } from '@bufbuild/protobuf/wire'
import { MethodSchema, TimestampSchema } from '@bufbuild/protobuf/wkt'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startInterceptionProxy } from '../start.ts'
import { CodecReader, expectStreamLaws } from '../testing/codec-reader.ts'
import { startSocketServer } from '../testing/socket-server.ts'
import { protobuf } from './protobuf.ts'

const method = fc
  .record({ name: fc.string(), requestTypeUrl: fc.string(), requestStreaming: fc.boolean() })
  .map(fields => create(MethodSchema, fields))

test('a message of the type is read as @bufbuild/protobuf writes it, and the other way round', () => {
  fc.assert(
    fc.property(method, message => {
      const reader = new CodecReader(protobuf(MethodSchema))
      const bytes = toBinary(MethodSchema, message)
      expect(reader.push(bytes).values).toEqual([message])
      expect(reader.encode(message)).toEqual([bytes])
    }),
  )
})

test('with lengths in front, any chunking gives the same messages', () => {
  const messages = fc.array(method).map(sent => sent.map(value => ({ value, bytes: sizeDelimitedEncode(MethodSchema, value) })))
  expectStreamLaws({ codec: () => protobuf(MethodSchema, { delimited: true }), messages })
})

describe('what is not of the type', () => {
  test('does not decode', () => {
    expect(() => new CodecReader(protobuf(MethodSchema)).push(Buffer.of(0x0a, 0x7f, 0x01))).toThrow()
    const reader = new CodecReader(protobuf(MethodSchema, { delimited: true }))
    reader.push(Buffer.of(2, 0x0a, 0x7f, 0))
    expect(reader.messages.map(({ undecodable }) => undecodable !== undefined)).toEqual([true, false])
  })

  test('is not written', () => {
    const wrong = create(TimestampSchema, { nanos: 2 ** 40 })
    expect(() => new CodecReader(protobuf(TimestampSchema)).encode(wrong)).toThrow('invalid int32')
  })
})

test('over a WebSocket, with a type for each side: one is dropped, one changed, one answered', async () => {
  const asked: string[] = []
  await using server = await startSocketServer(socket => {
    const reader = new CodecReader(protobuf(MethodSchema))
    socket.on('message', (data: Buffer) => {
      const value = reader.push(data).values.at(-1)
      asked.push(value?.name ?? '')
      socket.send(toBinary(TimestampSchema, create(TimestampSchema, { seconds: 5n })))
    })
  })
  const codec = protobuf({ client: MethodSchema, server: TimestampSchema })
  await using proxy = await startInterceptionProxy({ codec, route: { 'rpc.example.com': server.url } })
  proxy.onClientMessage({ name: 'lost' }).drop()
  proxy.onClientMessage({ name: 'wrong', requestStreaming: true }).patch({ name: 'right' })
  proxy.onClientMessage({ name: 'mine' }).reply(create(TimestampSchema, { seconds: 7n }))
  proxy.onServerMessage({ seconds: 5n }).patch(time => {
    if ('seconds' in time) time.seconds += 1n
  })

  const client = new WebSocket('ws://rpc.example.com/')
  await once(client, 'open')
  const answers: unknown[] = []
  client.on('message', (data: Buffer) => answers.push(new CodecReader(protobuf(TimestampSchema)).push(data).values[0]?.seconds))
  for (const name of ['lost', 'wrong', 'mine']) client.send(toBinary(MethodSchema, create(MethodSchema, { name, requestStreaming: true })))
  while (answers.length < 2) await once(client, 'message')
  expect(asked).toEqual(['right'])
  expect(new Set(answers)).toEqual(new Set([6n, 7n]))
  expect(proxy.transcript()).toContain('name: "wrong"')
  client.terminate()
})
