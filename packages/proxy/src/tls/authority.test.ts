import { X509Certificate } from 'node:crypto'
import { createServer } from 'node:https'
import { get } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { checkServerIdentity, connect, createServer as createTlsServer } from 'node:tls'
import type { PeerCertificate } from 'node:tls'
import { expect, test } from 'vitest'
import { Authority } from './authority.ts'

test('an authority is one, and says that it is for tests', () => {
  const certificate = new X509Certificate(Authority.create().certificate)
  expect(certificate.ca).toBe(true)
  expect(certificate.subject).toBe('CN=Midwire test authority')
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  const days = (certificate.validToDate.getTime() - Date.now()) / (24 * 60 * 60 * 1000)
  expect(days).toBeGreaterThan(7)
  expect(days).toBeLessThan(31)
  expect(certificate.validFromDate.getTime()).toBeLessThan(Date.now() - 60 * 60 * 1000)
})

test.each([
  ['main.realtime.example.com', 'DNS:main.realtime.example.com'],
  ['UPPER.Example.Com', 'DNS:upper.example.com'],
  ['localhost', 'DNS:localhost'],
  ['bücher.example', 'DNS:xn--bcher-kva.example'],
  [`${'a'.repeat(60)}.${'b'.repeat(60)}.test`, `DNS:${'a'.repeat(60)}.${'b'.repeat(60)}.test`],
  ['127.0.0.1', 'IP Address:127.0.0.1'],
  ['::1', 'IP Address:0:0:0:0:0:0:0:1'],
  ['2001:db8::8a2e:370:7334', 'IP Address:2001:DB8:0:0:0:8A2E:370:7334'],
  ['::ffff:192.0.2.1', 'IP Address:0:0:0:0:0:FFFF:C000:201'],
  ['::', 'IP Address:0:0:0:0:0:0:0:0'],
  ['fe80::1%eth0', 'IP Address:FE80:0:0:0:0:0:0:1'],
])('a leaf for %s names it', (host, name) => {
  const authority = Authority.create()
  const leaf = new X509Certificate(authority.leaf(host).cert)
  expect(leaf.subjectAltName).toBe(name)
  expect(leaf.ca).toBe(false)
  expect(leaf.checkIssued(new X509Certificate(authority.certificate))).toBe(true)
  expect(leaf.verify(new X509Certificate(authority.certificate).publicKey)).toBe(true)
  expect(authority.issued(leaf)).toBe(true)
  expect(Authority.create().issued(leaf)).toBe(false)
})

test('the same name has the same leaf and context, another has another', () => {
  const authority = Authority.create()
  expect(authority.leaf('a.test')).toBe(authority.leaf('A.test'))
  expect(authority.leaf('a.test')).not.toEqual(authority.leaf('b.test'))
  expect(authority.secureContextFor('a.test')).toBe(authority.secureContextFor('a.test'))
  expect(authority.secureContextFor('a.test')).not.toBe(authority.secureContextFor('b.test'))
})

test('an authority made from the PEM of another signs in its name', async () => {
  const one = Authority.create()
  const same = Authority.from({ cert: one.certificate, key: one.key })
  const server = createServer(same.leaf('localhost'), (_request, response) => response.end('hello')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const request = get({
    host: '127.0.0.1',
    servername: 'localhost',
    port: (server.address() as AddressInfo).port,
    ca: one.certificate,
    agent: false,
  })
  const [response] = (await once(request, 'response')) as [{ statusCode: number; resume(): void }]
  expect(response.statusCode).toBe(200)
  response.resume()
  server.close()
})

// Some versions of Node believe no certificate for an IPv6 address (22.23 does not).
const believesIpv6 = checkServerIdentity('::1', { subjectaltname: 'IP Address:0:0:0:0:0:0:0:1' } as PeerCertificate) === undefined
const hosts = ['localhost', '127.0.0.1', ...(believesIpv6 ? ['::1'] : [])]

test.each(hosts)('a TLS client that trusts the authority believes a server with a leaf for %s', async host => {
  const authority = Authority.create()
  const server = createTlsServer({
    SNICallback: (_name, answer) => answer(null, authority.secureContextFor(host)),
    ...authority.leaf(host),
  })
  server.listen(0, host === '::1' ? '::1' : '127.0.0.1')
  await once(server, 'listening')
  const socket = connect({
    host: host === 'localhost' ? '127.0.0.1' : host,
    servername: host === 'localhost' ? host : '',
    port: (server.address() as AddressInfo).port,
    ca: authority.certificate,
  })
  await once(socket, 'secureConnect')
  expect(socket.authorized).toBe(true)
  socket.destroy()
  server.close()
})

test('two authorities of the same name do not stand in for each other', async () => {
  const [one, other] = [Authority.create(), Authority.create()]
  const server = createTlsServer(one.leaf('localhost')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const wrong = connect({ host: '127.0.0.1', servername: 'localhost', port, ca: other.certificate })
  await expect(once(wrong, 'secureConnect')).rejects.toThrow(/certificate/)
  const right = connect({ host: '127.0.0.1', servername: 'localhost', port, ca: [other.certificate, one.certificate] })
  await once(right, 'secureConnect')
  right.destroy()
  server.close()
})

test.each<[string, (authority: Authority) => { cert: string; key: string }, RegExp]>([
  ['a leaf', authority => authority.leaf('a.test'), /not one of an authority/],
  ['the key of another', authority => ({ cert: authority.certificate, key: Authority.create().key }), /key is not that of the certificate/],
  ['no PEM at all', () => ({ cert: 'nonsense', key: 'nonsense' }), /must be \{ cert, key \} in PEM/],
])('%s is not taken for an authority', (_what, pair, message) => {
  expect(() => Authority.from(pair(Authority.create()))).toThrow(
    expect.objectContaining({ code: 'MIDWIRE_BAD_INPUT', message: expect.stringMatching(message) as string }),
  )
})
