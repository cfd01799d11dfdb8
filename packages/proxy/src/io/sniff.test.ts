import { describe, expect, test } from 'vitest'
import { classify } from './sniff.ts'

describe('what the first bytes say', () => {
  test('a whole request line is HTTP', () => {
    expect(classify(Buffer.from('GET /a?b HTTP/1.1\r\nHost: x\r\n'))).toEqual({ kind: 'http' })
    expect(classify(Buffer.from('M-SEARCH * HTTP/1.0\n'))).toEqual({ kind: 'http' })
  })

  test('a request line that arrives byte by byte is undecided until its line feed', () => {
    const line = 'OPTIONS * HTTP/1.1\r\n'
    for (let length = 1; length < line.length; length++) expect(classify(Buffer.from(line.slice(0, length)))).toBeUndefined()
    expect(classify(Buffer.from(line))).toEqual({ kind: 'http' })
  })

  test.each([
    'PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\n',
    'GET key\r\n',
    'PING\r\n',
    '*1\r\n$4\r\nPING\r\n',
    '\u0010\u000c\u0000\u0004MQTT',
    'get / HTTP/1.1\r\n',
  ])('%j is neither TLS nor HTTP', bytes => {
    expect(classify(Buffer.from(bytes, 'latin1'))).toEqual({ kind: 'other' })
  })

  test('the preface of HTTP/2 is undecided until it is whole', () => {
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
    for (let length = 1; length < preface.length; length++) expect(classify(Buffer.from(preface.slice(0, length)))).toBeUndefined()
    expect(classify(Buffer.from(`${preface}\0\0\0`))).toEqual({ kind: 'http2' })
  })

  test('a request line that never ends is given up', () => {
    expect(classify(Buffer.from(`GET /${'a'.repeat(70_000)}`))).toEqual({ kind: 'other' })
  })
})
