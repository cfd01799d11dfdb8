import { Client } from '@stomp/stompjs'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startInterceptionProxy } from '../start.ts'
import { bytesOf, CodecReader, expectStreamLaws } from '../testing/codec-reader.ts'
import { startSocketServer } from '../testing/socket-server.ts'
import { stomp } from './stomp.ts'
import type { StompFrame } from './stomp.ts'

const text = fc.string({ unit: 'binary', maxLength: 30 })
const name = fc.string({ minLength: 1, maxLength: 10 }).filter(one => one !== 'content-length' && one !== '__proto__')
const headers = fc.dictionary(name, text, { maxKeys: 4 }).map(some => ({ ...some }))
const plain = fc.stringMatching(/^[a-z0-9 .,]{0,20}$/)

/** As a peer writes it: its length stands there if a NUL is in the body, or if it wants to. */
const frames: fc.Arbitrary<StompFrame> = fc.oneof(
  fc
    .record({
      command: fc.constantFrom('SEND' as const, 'MESSAGE' as const, 'ERROR' as const),
      headers,
      body: fc.oneof(
        plain,
        text,
        fc.uint8Array({ maxLength: 50 }).map(bytes => Buffer.from(bytes)),
      ),
    })
    .map(withLength),
  fc.record({
    command: fc.constant('CONNECT' as const),
    headers: fc.record({ 'accept-version': plain, host: plain }),
    body: fc.constant(''),
  }),
  fc.constant({ command: 'heart-beat' as const }),
) as fc.Arbitrary<StompFrame>

function withLength(frame: { readonly command: string; readonly headers: object; readonly body: string | Buffer }): unknown {
  const bytes = Buffer.from(frame.body)
  const needed = bytes.includes(0) || typeof frame.body !== 'string'
  const body = Buffer.from(bytes.toString()).equals(bytes) ? bytes.toString() : bytes
  return { ...frame, body, headers: needed ? { ...frame.headers, 'content-length': String(bytes.length) } : frame.headers }
}

test('any chunking of a stream gives its frames, byte for byte, and what is written is read as the same', () => {
  const messages = fc.array(frames).map(sent => {
    const writer = new CodecReader(stomp())
    return sent.map(value => ({ value, bytes: Buffer.concat(writer.encode(value).map(bytesOf)) }))
  })
  expectStreamLaws({ codec: stomp, messages })
})

describe('a frame', () => {
  const read = (written: string | Buffer): unknown[] => {
    const reader = new CodecReader(stomp())
    return reader.push(written).messages.map(({ value, undecodable }) => undecodable ?? value)
  }

  test('has lines that end with LF or CRLF, and the first of repeated headers', () => {
    const frame = { command: 'MESSAGE', headers: { foo: 'World', destination: '/a' }, body: 'x' }
    expect(read('MESSAGE\nfoo:World\nfoo:Hello\ndestination:/a\n\nx\0')).toEqual([frame])
    expect(read('MESSAGE\r\nfoo:World\r\ndestination:/a\r\n\r\nx\0\r\n\n')).toEqual([
      frame,
      { command: 'heart-beat' },
      { command: 'heart-beat' },
    ])
  })

  test('escapes what would end a header, except in CONNECT and CONNECTED', () => {
    expect(read('SEND\na\\cb:\\n\\\\\\r\n\n\0')).toEqual([{ command: 'SEND', headers: { 'a:b': '\n\\\r' }, body: '' }])
    expect(read('CONNECTED\nserver:a\\c:1\n\n\0')).toEqual([{ command: 'CONNECTED', headers: { server: 'a\\c:1' }, body: '' }])
  })

  test('whose length is wrong does not decode, and the next one does', () => {
    expect(read('SEND\ncontent-length:2\n\nabcSEND\n\n\0')).toEqual([
      expect.stringMatching(/^no NUL behind the length/),
      { command: 'SEND', headers: {}, body: '' },
    ])
    expect(read('SEND\nwithout\n\n\0SEND\n\n\0')).toEqual([
      'a header without a colon: "without"',
      { command: 'SEND', headers: {}, body: '' },
    ])
  })

  test('is refused if no frame begins like that', () => {
    expect(read('SEND\n\n\0{"a":1}')).toEqual([{ command: 'SEND', headers: {}, body: '' }, 'no frame begins like that'])
    expect(() => new CodecReader(stomp()).encode({ command: 'send' } as never)).toThrow('no command of a frame: "send"')
  })

  test('that is changed has the length of its new body', () => {
    const frame: StompFrame = { command: 'SEND', headers: { destination: '/a', 'content-length': '1' }, body: 'é' }
    expect(new CodecReader(stomp()).encode(frame)).toEqual(['SEND\ndestination:/a\ncontent-length:2\n\né\0'])
  })
})

test('a real client has one of its frames dropped, one changed and one answered, also if they are cut over several WebSocket messages', async () => {
  const sent: unknown[] = []
  await using server = await startSocketServer(socket => {
    const reader = new CodecReader(stomp())
    const say = (frame: StompFrame): void => {
      for (const payload of reader.encode(frame)) socket.send(payload)
    }
    socket.on('message', (data: Buffer) => {
      const before = reader.messages.length
      reader.push(data.toString())
      for (const frame of reader.values.slice(before)) {
        if (frame?.command === 'CONNECT') say({ command: 'CONNECTED', headers: { version: '1.2', 'heart-beat': '0,0' } })
        if (frame?.command !== 'SEND') continue
        sent.push(frame.body)
        say({
          command: 'MESSAGE',
          headers: { destination: '/a', subscription: 's', 'message-id': String(sent.length) },
          body: frame.body ?? '',
        })
      }
    })
  })
  await using proxy = await startInterceptionProxy({ codec: stomp(), route: { 'broker.example.com': server.url } })
  proxy.onClientMessage({ command: 'SEND', body: 'lost' }).drop()
  proxy.onServerMessage({ command: 'MESSAGE', body: /^hello/ }).patch({ body: 'changed, and longer than it was before' })
  proxy.onClientMessage({ command: 'SEND', body: 'ask' }).reply({
    command: 'MESSAGE',
    headers: { destination: '/a', subscription: 's', 'message-id': 'own' },
    body: 'from the wire',
  })

  const client = new Client({
    webSocketFactory: () => new WebSocket('ws://broker.example.com/ws', ['v12.stomp']),
    reconnectDelay: 0,
    heartbeatIncoming: 0,
    heartbeatOutgoing: 0,
    splitLargeFrames: true,
    maxWebSocketChunkSize: 16,
  })
  const received: string[] = []
  try {
    const done = new Promise<void>((resolve, reject) => {
      client.onStompError = frame => reject(new Error(frame.body))
      client.onConnect = () => {
        client.subscribe(
          '/a',
          ({ body }) => {
            received.push(body)
            if (received.length === 2) resolve()
          },
          { id: 's' },
        )
        for (const body of ['lost', 'ask', 'hello, this is long enough to be cut']) client.publish({ destination: '/a', body })
      }
    })
    client.activate()
    await done
    expect(sent).toEqual(['hello, this is long enough to be cut'])
    expect(received.toSorted()).toEqual(['changed, and longer than it was before', 'from the wire'])
    await proxy.waitForClientMessage({ command: 'SUBSCRIBE', headers: { destination: '/a', id: 's' } })
  } finally {
    await client.deactivate({ force: true })
  }
})
