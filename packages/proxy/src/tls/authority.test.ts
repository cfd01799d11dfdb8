import { X509Certificate } from 'node:crypto'
import { createServer } from 'node:https'
import { get } from 'node:https'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { checkServerIdentity, connect, createServer as createTlsServer } from 'node:tls'
import type { PeerCertificate } from 'node:tls'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { Authority } from './authority.ts'

const day = 24 * 60 * 60 * 1000

test('an authority is one, and says that it is for tests, whose it is, and for how long', () => {
  const certificate = new X509Certificate(Authority.create().certificate)
  expect(certificate.ca).toBe(true)
  expect(certificate.subject).toMatch(
    /^O=Midwire\nOU=process \d+ at \d{4}-\d\d-\d\dT[\d:.]+Z\nCN=Midwire test authority \(not for production\)$/,
  )
  expect(certificate.subject).toContain(`process ${process.pid} at `)
  expect(certificate.verify(certificate.publicKey)).toBe(true)
  expect(certificate.keyUsage).toEqual([serverAuth])
})

const serverAuth = '1.3.6.1.5.5.7.3.1'

test('a leaf is of use to servers alone', () => {
  const leaf = new X509Certificate(Authority.create().leaf('a.test').cert)
  expect(leaf.ca).toBe(false)
  expect(leaf.keyUsage).toEqual([serverAuth])
})

test('authority and leaf are valid from a day ago for a week, with a serial number of chance, whatever the test says of time', () => {
  vi.useFakeTimers({ now: new Date('2001-01-01') })
  onTestFinished(() => void vi.useRealTimers())
  const authority = Authority.create()
  const certificates = [authority.certificate, authority.leaf('a.test').cert, authority.leaf('b.test').cert].map(
    pem => new X509Certificate(pem),
  )
  vi.useRealTimers()
  for (const { validFromDate, validToDate } of certificates) {
    expect(Math.abs(Date.now() - day - validFromDate.getTime())).toBeLessThan(60_000)
    expect(Math.abs(Date.now() + 7 * day - validToDate.getTime())).toBeLessThan(60_000)
  }
  expect(new Set(certificates.map(({ serialNumber }) => serialNumber)).size).toBe(3)
  for (const { serialNumber } of certificates) expect(serialNumber).toMatch(/^[4-7][0-9A-F]{31}$/)
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

describe('an authority that is made for some names', () => {
  const authority = Authority.create(['Example.com', 'bücher.test', '192.0.2.1', '2001:db8:0::1'])

  test.each(['example.com', 'a.b.EXAMPLE.com', 'xn--bcher-kva.test', 'www.bücher.test', '192.0.2.1', '2001:DB8::1'])(
    'vouches for %s',
    async host => {
      expect(authority.vouchesFor(host)).toBe(true)
      expect(await verdictOn(authority, host)).toBe('believed')
    },
  )

  test.each(['example.org', 'notexample.com', 'com', 'localhost', '192.0.2.2', '::1'])('does not vouch for %s', host => {
    expect(authority.vouchesFor(host)).toBe(false)
    expect(() => authority.leaf(host)).toThrow(`no certificate for ${host}: authority.names has example.com, xn--bcher-kva.test, 192.0.2.1`)
  })

  // As somebody could who got hold of the key.
  test.each(['example.org', 'notexample.com', '192.0.2.2', '2001:db8::2'])(
    'is not believed by a client where it signs for %s',
    async host => {
      expect(await verdictOn(authority, host)).toBe('permitted subtree violation')
    },
  )

  test.each([
    [['example.com'], '192.0.2.1'],
    [['example.com'], '2001:db8::1'],
    [['192.0.2.1'], 'example.com'],
    [['192.0.2.1'], '2001:db8::1'],
  ])('is not believed for a kind of name that it has none of: %j, %s', async (names, host) => {
    expect(await verdictOn(Authority.create(names), host)).toMatch(/^(?:excluded|permitted) subtree violation$/)
  })

  test.each([[], ['*.example.com'], ['.example.com'], ['https://example.com'], ['example.com:443'], [''], ['10.0.0.0/8']])(
    'is not made for what is no name: %j',
    (...names) => {
      expect(() => Authority.create(names)).toThrow(
        expect.objectContaining({ code: 'MIDWIRE_BAD_INPUT', message: expect.stringMatching(/^authority\.names/) as string }),
      )
    },
  )
})

/** What a client of OpenSSL makes of a server that shows a certificate for `host`, signed by the authority. */
async function verdictOn(authority: Authority, host: string): Promise<string> {
  const server = createTlsServer(authority.falseLeaf(host)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const socket = connect({ host: '127.0.0.1', port, ca: authority.certificate, checkServerIdentity: () => undefined })
  try {
    await once(socket, 'secureConnect')
    return 'believed'
  } catch (error) {
    return (error as Error).message
  } finally {
    socket.destroy()
    server.close()
  }
}
