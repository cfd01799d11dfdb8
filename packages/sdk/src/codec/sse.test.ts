import type { CodecContext } from '@midwire/proxy'
import { expect, test } from 'vitest'
import { json } from './json.ts'
import { sse } from './sse.ts'

const server: CodecContext = { from: 'server', binary: false, protocol: '', state: undefined }
const codec = sse(json<{ n: number }>())

test('an event is read with all its fields, the last of a kind counting', () => {
  const bytes = Buffer.from(': c\nevent: a\nevent: b\ndata: {"n":\ndata: 1}\nid: 7\nretry: 20\n\n')
  const { messages, rest } = codec.decode(bytes, server)
  expect(messages).toEqual([{ value: { event: 'b', data: { n: 1 }, id: '7', retry: 20 }, bytes }])
  expect(rest.length).toBe(0)
})

test('an event is written with the fields it has', () => {
  expect(codec.encode({ event: 'a', data: { n: 1 }, id: '7', retry: 20 }, server)).toBe('event: a\ndata: {"n":1}\nid: 7\nretry: 20\n\n')
  expect(codec.encode({ data: { n: 1 } }, server)).toBe('data: {"n":1}\n\n')
})

test('what the client sends is no event: its body is the data', () => {
  const client: CodecContext = { ...server, from: 'client' }
  expect(codec.decode(Buffer.from('{"n":2}'), client).messages[0]?.value).toEqual({ data: { n: 2 } })
  expect(codec.encode({ data: { n: 2 } }, client)).toBe('{"n":2}')
})
