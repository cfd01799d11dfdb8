import { X509Certificate } from 'node:crypto'
import { createServer as createHttpsServer } from 'node:https'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import type { AddressInfo } from 'node:net'
import tls, { connect, createSecureContext } from 'node:tls'
import type { ConnectionOptions, SecureContext } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { prepareCapture } from '../capture/reroute.ts'
import { Relay } from '../capture/testing/relay.ts'
import { httpsServer, lookupOf, realAuthority, TestServer } from '../capture/testing/servers.ts'

const defaults = tls.getCACertificates('default')

/** Node itself drops what stands twice, and changes the order, once they are set. */
function currentDefaults(): Set<string> {
  return new Set(tls.getCACertificates('default').map(certificate => certificate.trim()))
}
let server: TestServer
beforeAll(async () => {
  server = await httpsServer('localhost')
})
afterAll(() => server[Symbol.asyncDispose]())
afterEach(() => tls.setDefaultCACertificates(defaults))

/** Whether a handshake succeeds; why, if not. */
async function handshake(options: ConnectionOptions): Promise<string> {
  const socket = connect({ host: 'localhost', port: server.port, ...options })
  try {
    await once(socket, 'secureConnect')
    return 'ok'
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return `${code}: ${message}`
  } finally {
    socket.destroy()
  }
}

const ca = realAuthority.certificate

test.each<[string, ConnectionOptions['ca']]>([
  ['a string', ca],
  ['a Buffer', Buffer.from(ca)],
  ['a bundle', `${realAuthority.leaf('unrelated.test').cert}\n${ca}`],
  ['a list of strings and Buffers', [realAuthority.leaf('unrelated.test').cert, Buffer.from(ca)]],
])('a client that passes its own ca as %s believes us too', async (_how, own) => {
  await using relay = await Relay.start()
  await expect(handshake({ ca: own })).resolves.toBe('ok')
  expect(relay.inbounds.length).toBe(1)
})

test('the options that a client passes are left as they are', async () => {
  await using _relay = await Relay.start()
  const own = [ca]
  const options = { ca: own }
  await handshake(options)
  expect(options).toEqual({ ca: [ca] })
  expect(own).toEqual([ca])
})

describe('a secure context of the client’s own', () => {
  test('made after the installation is believed, and the server verified by what it meant', async () => {
    await using _relay = await Relay.start()
    await expect(handshake({ secureContext: createSecureContext({ ca }) })).resolves.toBe('ok')
    await expect(handshake({ secureContext: createSecureContext({ ca: realAuthority.leaf('unrelated.test').cert }) })).resolves.toMatch(
      /UNABLE_TO_VERIFY/,
    )
    await expect(handshake({ secureContext: createSecureContext() })).resolves.toMatch(/UNABLE_TO_VERIFY/)
  })

  test('made before the installation fails its connection, by name', async () => {
    const secureContext = createSecureContext({ ca })
    await expect(handshake({ secureContext })).resolves.toBe('ok')
    await using _relay = await Relay.start()
    const outcome = await handshake({ secureContext })
    expect(outcome).toMatch(
      /^MIDWIRE_CAPTURE: the TLS connection to localhost:\d+ uses a secureContext that was made before Midwire was installed/,
    )
    expect(outcome).toMatch(/intercept: \{ "localhost": false \}/)
  })

  test('made before the installation fails its connection over the client’s own socket', async () => {
    const secureContext = createSecureContext({ ca })
    await using _relay = await Relay.start()
    const socket = connectTcp(server.port, '127.0.0.1')
    await expect(handshake({ socket, secureContext, servername: 'localhost' })).resolves.toMatch(/^MIDWIRE_CAPTURE/)
  })

  test('made while the hooks were only placed is believed', async () => {
    const unplace = prepareCapture()
    const contexts: SecureContext[] = [createSecureContext({ ca }), tls.createSecureContext({ ca: [ca] })]
    {
      await using _relay = await Relay.start()
      for (const secureContext of contexts) await expect(handshake({ secureContext })).resolves.toBe('ok')
      await expect(handshake({ secureContext: createSecureContext() })).resolves.toMatch(/UNABLE_TO_VERIFY/)
    }
    unplace()
  })
})

describe('default certificates', () => {
  test('are untouched until TLS is used, and again afterwards', async () => {
    const before = currentDefaults()
    {
      await using relay = await Relay.start()
      expect(currentDefaults()).toEqual(before)
      await handshake({})
      expect(currentDefaults()).toEqual(new Set([...before, relay.authority.certificate.trim()]))
    }
    expect(currentDefaults()).toEqual(before)
  })

  test('that a test sets meanwhile stand beside ours, and stay afterwards', async () => {
    {
      await using _relay = await Relay.start()
      await expect(handshake({})).resolves.toMatch(/UNABLE_TO_VERIFY/)
      tls.setDefaultCACertificates([ca])
      await expect(handshake({})).resolves.toBe('ok')
      tls.setDefaultCACertificates([...tls.getCACertificates('default')])
      await expect(handshake({})).resolves.toBe('ok')
    }
    expect(currentDefaults()).toEqual(new Set([ca.trim()]))
  })

  test('hold the authority of each installation', async () => {
    const before = currentDefaults()
    await using one = await Relay.start()
    await handshake({})
    {
      await using other = await Relay.start()
      await handshake({})
      expect(currentDefaults()).toEqual(new Set([...before, one.authority.certificate.trim(), other.authority.certificate.trim()]))
    }
    expect(currentDefaults()).toEqual(new Set([...before, one.authority.certificate.trim()]))
  })
})

test('a server does not ask its clients for certificates of our authority', async () => {
  await using relay = await Relay.start()
  const listening = createHttpsServer(
    { ...realAuthority.leaf('localhost'), ca, requestCert: true, rejectUnauthorized: true },
    (_request, response) => response.end(),
  )
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  const { port } = listening.address() as AddressInfo
  const ours = relay.authority.leaf('client.test')
  const socket = connect({ host: '127.0.0.1', servername: 'localhost', port, ca, ...ours })
  socket.on('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'))
  const outcome = await new Promise<string>(resolve => {
    socket.once('data', () => resolve('served'))
    socket.once('error', error => resolve(error.message)).once('close', () => resolve('closed'))
  })
  expect(outcome).not.toBe('served')
  socket.destroy()
  listening.close()
})

test('a client that checks the server’s identity itself is asked once, about the real certificate', async () => {
  await using _relay = await Relay.start()
  const seen: string[] = []
  const options: ConnectionOptions = {
    ca,
    checkServerIdentity: (host, { fingerprint256 }) => {
      seen.push(`${host} ${fingerprint256}`)
      return undefined
    },
  }
  await expect(handshake(options)).resolves.toBe('ok')
  expect(seen).toEqual([`localhost ${fingerprint()}`])
  const no = new Error('not the one I know')
  await expect(handshake({ ...options, checkServerIdentity: () => no })).resolves.toMatch(/not the one I know/)
})

test('over the client’s own socket the identity asked for is that which Node would ask for', async () => {
  await using _relay = await Relay.start()
  // Node asks for `localhost` where it was told neither a name nor a host.
  await expect(handshake({ socket: connectTcp(server.port, '127.0.0.1'), host: undefined, ca })).resolves.toBe('ok')
  await expect(handshake({ socket: connectTcp(server.port, '127.0.0.1'), host: 'other.test', ca })).resolves.toMatch(/ALTNAME_INVALID/)
})

test('a server with a leaf of our own authority is verified as any other', async () => {
  await using relay = await Relay.start()
  await using ours = await TestServer.listen(createHttpsServer(relay.authority.leaf('a.test')))
  const options = { port: ours.port, lookup: lookupOf('127.0.0.1'), ca: relay.authority.certificate }
  await expect(handshake({ ...options, host: 'a.test' })).resolves.toBe('ok')
  await expect(handshake({ ...options, host: 'b.test' })).resolves.toMatch(/ALTNAME_INVALID/)
})

function fingerprint(): string {
  const { cert } = realAuthority.leaf('localhost')
  return new X509Certificate(cert).fingerprint256
}
