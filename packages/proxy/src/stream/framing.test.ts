import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { body } from './body.ts'
import type { Envelope, Framing } from './framing.ts'
import { framingFor } from './framing.ts'
import { lines } from './lines.ts'
import { sse, sseBlocks } from './sse.ts'

function read(framing: Framing, chunks: readonly Buffer[]): Envelope[] {
  const reader = framing.reader()
  return [...chunks.flatMap(chunk => reader.push(chunk)), ...reader.end()]
}

function payloads(envelopes: readonly Envelope[]): string[] {
  return envelopes.flatMap(({ payload }) => (payload ? [Buffer.from(payload).toString()] : []))
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((from, n) => bytes.subarray(from, at[n] ?? bytes.length))
}

const pieces = fc.array(
  fc.constantFrom(
    'data: a\n',
    'data:b\r\n',
    'data\r',
    'data: é\n',
    ': note\n',
    'id: 7\n',
    'event: x\r\n',
    'retry: 5\r',
    '\n',
    '\r',
    '\r\n',
    '\uFEFF',
  ),
  { maxLength: 30 },
)
const places = fc.array(fc.nat(400), { maxLength: 12 })

describe('however a body is chunked', () => {
  for (const framing of [sse, sseBlocks, lines, body]) {
    test(`${framing.name}: the same payloads come out, and all envelopes together are the body`, () => {
      fc.assert(
        fc.property(pieces, places, (parts, at) => {
          const bytes = Buffer.from(parts.join(''))
          const envelopes = read(framing, cut(bytes, at))
          expect(Buffer.concat(envelopes.map(envelope => envelope.bytes))).toEqual(bytes)
          // Behind a CR, an LF goes with the next block, unless it has come.
          const text = (list: readonly Envelope[]): string[] => payloads(list).map(payload => payload.replace(/^\n/, '').trimEnd())
          expect(text(envelopes)).toEqual(text(read(framing, [bytes])))
        }),
      )
    })
  }
})

describe('server-sent events (WHATWG HTML §9.2)', () => {
  const cases: readonly (readonly [string, string, readonly string[]])[] = [
    ['the data of an event is its payload', 'data: one\n\ndata: two\n\n', ['one', 'two']],
    ['several data lines are one payload, with LF in between', 'data: YHOO\ndata: +2\ndata: 10\n\n', ['YHOO\n+2\n10']],
    ['CR, LF and CRLF end a line', 'data: a\r\rdata: b\n\ndata: c\r\n\r\n', ['a', 'b', 'c']],
    ['one space behind the colon is no part of the value', 'data:test\n\ndata: test\n\ndata:  test\n\n', ['test', 'test', ' test']],
    ['a data field without a value is an event with empty data', 'data\n\ndata\ndata\n\n', ['', '\n']],
    ['comments, and fields without data, are no event', ': hello\n\nid: 4\nevent: x\n\nretry: 10\n\ndata: x\n\n', ['x']],
    ['a byte order mark at the start is not read', '\uFEFFdata: a\n\n\uFEFFdata: b\n\n', ['a']],
    ['an event without its empty line is none', 'data: a\n\ndata: b\n', ['a']],
  ]
  test.each(cases)('%s', (_, text, expected) => {
    expect(payloads(read(sse, [Buffer.from(text)]))).toEqual(expected)
  })

  test('an event is complete with its empty line, also with a lone CR', () => {
    const reader = sse.reader()
    expect(payloads(reader.push(Buffer.from('data: a\r\r')))).toEqual(['a'])
    expect(payloads(reader.push(Buffer.from('\ndata: b\r\n\r')))).toEqual(['b'])
  })

  test('a changed payload keeps the name, the id and the comments of its event', () => {
    const [event] = read(sse, [Buffer.from(': c\r\nevent: add\r\ndata: 1\r\ndata: 2\r\nid: 9\r\n\r\n')])
    expect(Buffer.from(sse.write(Buffer.from('x\ny'), event)).toString()).toBe(': c\r\nevent: add\r\ndata: x\ndata: y\nid: 9\r\n\r\n')
    expect(Buffer.from(sse.write(Buffer.from('x'), undefined)).toString()).toBe('data: x\n\n')
  })

  test('blocks are payloads as they came', () => {
    expect(payloads(read(sseBlocks, [Buffer.from('event: a\ndata: 1\n\n: c\n\n')]))).toEqual(['event: a\ndata: 1\n\n'])
  })
})

describe('lines', () => {
  test('each line is a payload without its end, and a changed one keeps that end', () => {
    const envelopes = read(lines, [Buffer.from('{"a":1}\r\n\n{"b":2}\n{"c":3}')])
    expect(payloads(envelopes)).toEqual(['{"a":1}', '{"b":2}', '{"c":3}'])
    expect(Buffer.from(lines.write(Buffer.from('{}'), envelopes[0])).toString()).toBe('{}\r\n')
    expect(Buffer.from(lines.write(Buffer.from('{}'), undefined)).toString()).toBe('{}\n')
  })
})

test('a content type says how its messages lie in it', () => {
  expect(framingFor('text/event-stream; charset=utf-8').name).toBe('sse')
  expect(framingFor('application/x-ndjson').name).toBe('lines')
  expect(framingFor('application/json').name).toBe('body')
  expect(framingFor(undefined).name).toBe('body')
})
