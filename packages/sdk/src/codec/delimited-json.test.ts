import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startInterceptionProxy } from '../start.ts'
import { CodecReader, expectStreamLaws } from '../testing/codec-reader.ts'
import { jsonData } from '../testing/json-data.ts'
import { startSocketServer } from '../testing/socket-server.ts'
import { delimitedJson } from './delimited-json.ts'

const value = jsonData

test.each(['\n', '\x1e'] as const)('any chunking of JSON with %j behind each value gives the same values', delimiter => {
  const messages = fc.array(value).map(sent => sent.map(one => ({ value: one, bytes: Buffer.from(JSON.stringify(one) + delimiter) })))
  expectStreamLaws({ codec: () => delimitedJson(delimiter), messages })
})

test('what is no JSON does not decode, and what stands beside it does', () => {
  const reader = new CodecReader(delimitedJson('\n'))
  reader.push('1\n{bad\n\n2\r\n')
  expect(reader.messages.map(({ value: read, undecodable }) => undecodable ?? read)).toEqual([
    1,
    expect.stringContaining('JSON'),
    'nothing before the delimiter',
    2,
  ])
  expect(() => reader.encode(undefined)).toThrow('json lines: undefined has no JSON form')
})

describe('values that are joined for one payload', () => {
  test('need no delimiter behind the last, and are packed so again', () => {
    fc.assert(
      fc.property(fc.array(value, { minLength: 1 }), fc.boolean(), (sent, ended) => {
        const codec = delimitedJson('\n', { joined: true })
        const reader = new CodecReader(codec)
        reader.push(sent.map(one => JSON.stringify(one)).join('\n') + (ended ? '\n' : ''))
        expect(reader.values).toEqual(sent)
        const context = { from: 'client', binary: false, protocol: '', state: undefined } as const
        const packed = codec.pack?.(
          reader.messages.map(({ bytes }) => bytes),
          context,
        )
        expect(String(packed)).toBe(sent.map(one => JSON.stringify(one)).join('\n'))
      }),
    )
  })

  test('leave without the one that is dropped, and with the one that is changed', async () => {
    const received: string[] = []
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    await using server = await startSocketServer(socket => {
      socket.on('message', data => {
        received.push(String(data))
        if (received.length === 2) resolve()
      })
    })
    await using proxy = await startInterceptionProxy({
      codec: delimitedJson<{ readonly n: number }>('\n', { joined: true }),
      route: { 'commands.example.com': server.url },
    })
    proxy.onClientMessage({ n: 1 }).patch({ n: 10 })
    proxy.onClientMessage({ n: 3 }).drop()
    const client = new WebSocket('ws://commands.example.com/')
    client.on('open', () => {
      client.send('{"n":1}\n{"n":2}\n{"n":3}')
      client.send('{"n": 4}\n{"n": 5}')
    })
    await ended
    expect(received).toEqual(['{"n":10}\n{"n":2}', '{"n": 4}\n{"n": 5}'])
    client.terminate()
  })
})
