import { setDefaultCACertificates, getCACertificates } from 'node:tls'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { clients } from './testing/clients.ts'
import { Disposables } from './testing/disposables.ts'
import { Relay } from './testing/relay.ts'
import { clientIdentity, greetingServer, httpServer, httpsServer, lookupOf, realAuthority } from './testing/servers.ts'
import type { TestServer } from './testing/servers.ts'

let relay: Relay
let plain: TestServer
let plain6: TestServer
let secure: TestServer
const stack = new Disposables()
const defaults = getCACertificates('default')

beforeAll(async () => {
  // Clients that can be told nothing must trust the test servers by default.
  setDefaultCACertificates([realAuthority.certificate])
  plain = stack.use(await httpServer())
  plain6 = stack.use(await httpServer('::1'))
  secure = stack.use(await httpsServer('localhost'))
  relay = stack.use(await Relay.start())
})
afterAll(async () => {
  await stack.disposeAsync()
  setDefaultCACertificates(defaults)
})

const answer = /^(answer to \/|echo of hello$)/

describe.each(clients)('$name', ({ ask, takesOptions }) => {
  test('reaches a server through the target', async () => {
    const before = relay.inbounds.length
    await expect(ask(`http://127.0.0.1:${plain.port}`)).resolves.toMatch(answer)
    expect(relay.inbounds.slice(before).map(({ destination }) => destination)).toEqual([{ host: '127.0.0.1', port: plain.port }])
  })

  test('reaches a server with TLS through the target', async () => {
    const before = relay.inbounds.length
    await expect(ask(`https://localhost:${secure.port}`)).resolves.toMatch(answer)
    expect(relay.hosts.slice(before)).toEqual(['localhost'])
  })

  test('reaches an IPv6 literal', async () => {
    const before = relay.inbounds.length
    await expect(ask(`http://[::1]:${plain6.port}`)).resolves.toMatch(answer)
    expect(relay.hosts.slice(before)).toEqual(['::1'])
  })

  test.runIf(takesOptions)('reaches the one of several addresses that answers', async () => {
    const before = relay.inbounds.length
    await expect(ask(`http://several.test:${plain6.port}`, { lookup: lookupOf('127.0.0.1', '::1') })).resolves.toMatch(answer)
    expect(relay.hosts.slice(before)).toEqual(['several.test'])
  })

  test.runIf(takesOptions)('finds a name by its own lookup', async () => {
    await expect(ask(`http://found.test:${plain.port}`, { lookup: lookupOf('127.0.0.1') })).resolves.toMatch(answer)
  })
})

describe.each(clients.filter(client => client.takesOptions))('$name, with TLS', ({ ask }) => {
  let named: TestServer
  let strange: TestServer
  let demanding: TestServer
  const found = { lookup: lookupOf('127.0.0.1') }
  const clientLeaf = clientIdentity('the-client.test')

  beforeAll(async () => {
    setDefaultCACertificates([])
    named = await httpsServer('named.test')
    strange = await httpsServer('another.test')
    demanding = await httpsServer('named.test', { requestCert: true, rejectUnauthorized: true, ca: clientLeaf.cert })
    return async () => {
      setDefaultCACertificates([realAuthority.certificate])
      for (const server of [named, strange, demanding]) await server[Symbol.asyncDispose]()
    }
  })

  test('trusts a server by its own ca', async () => {
    await expect(ask(`https://named.test:${named.port}`, { ...found, ca: realAuthority.certificate })).resolves.toMatch(answer)
  })

  test('trusts a server by a list of its own', async () => {
    const ca = [relay.authority.leaf('unrelated.test').cert, realAuthority.certificate]
    await expect(ask(`https://named.test:${named.port}`, { ...found, ca })).resolves.toMatch(answer)
  })

  test('does not trust a server that it would not trust without us', async () => {
    await expect(ask(`https://named.test:${named.port}`, found)).rejects.toThrow()
    await expect(ask(`https://named.test:${strange.port}`, { ...found, ca: realAuthority.certificate })).rejects.toThrow()
  })

  test('takes any certificate if told to', async () => {
    await expect(ask(`https://named.test:${strange.port}`, { ...found, rejectUnauthorized: false })).resolves.toMatch(answer)
  })

  test('shows its certificate to the server', async () => {
    const options = { ...found, ca: realAuthority.certificate, ...clientLeaf }
    await expect(ask(`https://named.test:${demanding.port}`, options)).resolves.toMatch(/ for the-client\.test$|echo of hello/)
    await expect(ask(`https://named.test:${demanding.port}`, { ...options, cert: undefined, key: undefined } as object)).rejects.toThrow()
  })
})

test('a server that speaks first is heard, and a half-closed connection goes on', async () => {
  await using greeting = await greetingServer()
  const socket = connect({ port: greeting.port, host: '127.0.0.1', allowHalfOpen: true })
  const chunks: string[] = []
  socket.setEncoding('utf8').on('data', (chunk: string) => chunks.push(chunk))
  await new Promise(resolve => socket.once('data', resolve))
  socket.end('and good bye')
  await new Promise(resolve => socket.once('end', resolve))
  expect(chunks.join('')).toBe('220 hello\r\nand good bye')
})
