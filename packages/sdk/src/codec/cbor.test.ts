import { once } from 'node:events'
import { decode, encode } from 'cbor2'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startInterceptionProxy } from '../start.ts'
import { CodecReader } from '../testing/codec-reader.ts'
import { jsonData } from '../testing/json-data.ts'
import { startSocketServer } from '../testing/socket-server.ts'
import { cbor } from './cbor.ts'

const value = fc.oneof(
  jsonData,
  fc.record({
    bytes: fc.uint8Array(),
    at: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map(date => new Date(Math.floor(+date / 1000) * 1000)),
  }),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 70n }),
)

test('values are read as cbor2 writes them, and what is written is read by cbor2', () => {
  fc.assert(
    fc.property(value, sent => {
      const reader = new CodecReader(cbor())
      expect(reader.push(encode(sent)).values).toEqual([decode(encode(sent))])
      const [written = ''] = reader.encode(sent)
      expect(decode(written)).toEqual(decode(encode(sent)))
    }),
  )
})

test.each([
  ['cut', Buffer.of(0x82, 0x01)],
  ['two values', Buffer.of(0x01, 0x02)],
  ['nothing', Buffer.alloc(0)],
])('%s does not decode', (_, bytes) => {
  expect(() => new CodecReader(cbor()).push(bytes)).toThrow()
})

test('what has no CBOR form is not written', () => {
  expect(() => new CodecReader(cbor()).encode(undefined)).toThrow('cbor: undefined is no message')
  expect(() => new CodecReader(cbor()).encode(() => 1)).toThrow()
})

test('over a WebSocket: one is dropped, one changed, one answered', async () => {
  await using server = await startSocketServer(socket => {
    socket.on('message', (data: Buffer) => socket.send(data))
  })
  await using proxy = await startInterceptionProxy({
    codec: cbor<{ readonly n: number; readonly raw?: Uint8Array }>(),
    route: { 'things.example.com': server.url },
  })
  proxy.onClientMessage({ n: 1 }).drop()
  proxy.onServerMessage({ raw: Uint8Array.of(1, 2) }).patch({ n: 20 })
  proxy.onClientMessage({ n: 3 }).reply({ n: 30 })

  const client = new WebSocket('ws://things.example.com/')
  await once(client, 'open')
  const received: unknown[] = []
  client.on('message', (data: Buffer) => received.push(decode(new Uint8Array(data))))
  for (const message of [{ n: 1 }, { n: 2, raw: Uint8Array.of(1, 2) }, { n: 3 }]) client.send(encode(message))
  while (received.length < 2) await once(client, 'message')
  expect(received).toEqual(expect.arrayContaining([{ n: 30 }, { n: 20, raw: Uint8Array.of(1, 2) }]))
  client.terminate()
})
