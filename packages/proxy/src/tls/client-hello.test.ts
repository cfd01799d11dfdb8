import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import { expect, test } from 'vitest'
import { parseClientHello } from './client-hello.ts'

/** What a client of node:tls sends before it hears anything. */
async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const { promise, resolve } = Promise.withResolvers<Buffer>()
  const server = createServer(socket => socket.on('error', () => {}).once('data', resolve))
  await new Promise<void>(listening => server.listen(0, '127.0.0.1', listening))
  const client = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, ...options }).on('error', () => {})
  const hello = await promise
  client.destroy()
  server.close()
  return hello
}

/** The same bytes, in TLS records of at most `size` bytes. */
function inRecordsOf(size: number, record: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 5; at < record.length; at += size) {
    const part = record.subarray(at, at + size)
    parts.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part)
  }
  return Buffer.concat(parts)
}

test.each<[string, ConnectionOptions, { serverName?: string | undefined; alpn: string[] }]>([
  [
    'a host name and protocols',
    { servername: 'chat.test', ALPNProtocols: ['http/1.1', 'h2'] },
    { serverName: 'chat.test', alpn: ['http/1.1', 'h2'] },
  ],
  ['a host name alone', { servername: 'chat.test' }, { serverName: 'chat.test', alpn: [] }],
  ['neither, as to an IP literal', {}, { serverName: undefined, alpn: [] }],
  ['TLS 1.2 only', { servername: 'old.test', maxVersion: 'TLSv1.2', ALPNProtocols: ['h2'] }, { serverName: 'old.test', alpn: ['h2'] }],
])('a ClientHello of node:tls is read: %s', async (_what, options, expected) => {
  expect(parseClientHello(await helloOf(options))).toEqual({ kind: 'hello', ...expected })
})

test('a ClientHello is incomplete at every byte but the last', async () => {
  const hello = await helloOf({ servername: 'chat.test', ALPNProtocols: ['http/1.1'] })
  for (let length = 0; length < hello.length; length++) expect(parseClientHello(hello.subarray(0, length))).toEqual({ kind: 'incomplete' })
  expect(parseClientHello(hello)).toMatchObject({ kind: 'hello', serverName: 'chat.test' })
  expect(parseClientHello(Buffer.concat([hello, Buffer.from('more')]))).toMatchObject({ kind: 'hello', serverName: 'chat.test' })
})

test.each([1, 2, 3, 7, 100])('a ClientHello in records of %i bytes is read, and incomplete at every byte before', async size => {
  const whole = await helloOf({ servername: 'chat.test', ALPNProtocols: ['http/1.1'] })
  const hello = inRecordsOf(size, whole)
  for (let length = 0; length < hello.length; length++) expect(parseClientHello(hello.subarray(0, length))).toEqual({ kind: 'incomplete' })
  expect(parseClientHello(hello)).toEqual(parseClientHello(whole))
})

test.each([
  ['an HTTP request', 'GET / HTTP/1.1\r\n\r\n'],
  ['a greeting', '220 hello\r\n'],
  ['a record of another type', '\x17\x03\x03\x00\x01\x00'],
  ['another version', '\x16\x02\x00\x00\x01\x01'],
  ['another handshake message', '\x16\x03\x01\x00\x04\x02\x00\x00\x00'],
  ['an empty record', '\x16\x03\x01\x00\x00'],
  ['a record longer than TLS allows', '\x16\x03\x01\xff\xff\x01'],
])('%s is not TLS', (_what, bytes) => {
  expect(parseClientHello(Buffer.from(bytes, 'latin1'))).toEqual({ kind: 'not-tls' })
})

test('lengths that lead past the end are survived', async () => {
  const hello = await helloOf({ servername: 'chat.test', ALPNProtocols: ['http/1.1'] })
  for (let at = 9; at < hello.length; at++) {
    const broken = Buffer.from(hello)
    broken[at] = 0xff
    expect(['hello', 'not-tls']).toContain(parseClientHello(broken).kind)
  }
})
