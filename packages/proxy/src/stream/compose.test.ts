import { expect, test } from 'vitest'
import { compose } from './compose.ts'
import { framingOf } from './framing.ts'
import type { Envelope, FramingName } from './framing.ts'
import { jsonArray, one } from './packing.ts'
import type { Packing } from './packing.ts'

function written(framing: FramingName, packing: Packing, body: string, ...texts: readonly string[]): string {
  const [envelope] = readAll(framing, body)
  const arrived = packing.split(envelope?.payload ?? Buffer.alloc(0)) ?? []
  const bytes = texts.map(text => Buffer.from(text))
  return Buffer.from(compose(framingOf(framing), packing, envelope, arrived, bytes)).toString()
}

function readAll(framing: FramingName, body: string): Envelope[] {
  const reader = framingOf(framing).reader()
  return [...reader.push(Buffer.from(body)), ...reader.end()]
}

test('unchanged messages leave as the very bytes of their envelope', () => {
  expect(written('lines', jsonArray(), '[ 1 , 2 ]\r\n', '1', '2')).toBe('[ 1 , 2 ]\r\n')
  expect(written('sse', one, 'id:1\r\ndata:a\r\n\r\n', 'a')).toBe('id:1\r\ndata:a\r\n\r\n')
})

test('an event or line without messages is gone, a body is what stands for none', () => {
  expect(written('lines', jsonArray(), '[1]\n')).toBe('')
  expect(written('sse', one, 'id: 1\ndata: a\n\n')).toBe('')
  expect(written('body', jsonArray(), '[1]')).toBe('[]')
  expect(written('body', one, 'a')).toBe('')
})

test('further messages of an event are events of their own, a copy like the original', () => {
  expect(written('sse', one, 'id: 1\ndata: a\n\n', 'a', 'a')).toBe('id: 1\ndata: a\n\nid: 1\ndata: a\n\n')
  expect(written('lines', jsonArray(), '[1,2]\r\n', '1', '3')).toBe('[1,3]\r\n')
})
