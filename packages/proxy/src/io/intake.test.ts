import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import tls from 'node:tls'
import { describe, expect, onTestFinished, test } from 'vitest'
import { RawPeer, rawClient } from '../../test/raw-peer.ts'
import { httpServer, httpsServer, realAuthority } from '../capture/testing/servers.ts'
import { startProxy } from '../proxy.ts'

test('a client that speaks plainly to urlFor reaches a TLS server under the name it meant', async () => {
  const proxy = await startProxy({ capture: false, route: {} })
  onTestFinished(() => proxy.close())
  const named = Promise.withResolvers<string | false>()
  const server = tls.createServer(proxy.issue('localhost'))
  server.on('secureConnection', socket => {
    named.resolve(socket.servername ?? false)
    socket.on('error', () => {})
  })
  // The certificate is not trusted here: what counts is the name in the ClientHello, which comes before that.
  server.on('tlsClientError', (_error, socket) => named.resolve((socket as tls.TLSSocket & { servername?: string }).servername ?? false))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const client = await rawClient(Number(new URL(proxy.urlFor(`https://localhost:${port}/`)).port))
  client.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await named.promise).toBe('localhost')
  expect(await client.ended()).toBe('rst')
})

describe('an authority that vouches for some names', () => {
  /** Who a client finds behind this name, and what the journal has noted by then. */
  async function found(name: string): Promise<{ answer: string; notes: string[] }> {
    await using plain = await httpServer()
    await using secure = await httpsServer('outside.test')
    const route = { 'inside.test': `http://127.0.0.1:${plain.port}`, 'outside.test': `https://127.0.0.1:${secure.port}` }
    await using proxy = await startProxy({ capture: false, authority: { names: ['inside.test'] }, route })
    const ca = [proxy.certificate, realAuthority.certificate]
    const socket = tls.connect({ host: '127.0.0.1', port: proxy.transparentPort(), servername: name, ca })
    const client = new RawPeer(socket)
    await once(socket, 'secureConnect')
    const { issuer } = socket.getPeerX509Certificate() ?? {}
    socket.write(`GET /x HTTP/1.1\r\nHost: ${name}\r\n\r\n`)
    await client.untilText('answer to /x')
    socket.destroy()
    const isOurs = issuer === new X509Certificate(proxy.certificate).subject
    const notes = [...proxy.journal.read()].flatMap(event => (event.kind === 'note' ? [event.text] : []))
    return { answer: isOurs ? 'us' : 'the server', notes }
  }

  test('has these intercepted', async () => {
    expect(await found('inside.test')).toEqual({ answer: 'us', notes: [] })
  })

  test('has TLS with others tunnelled, with a line of the journal', async () => {
    expect(await found('outside.test')).toEqual({
      answer: 'the server',
      notes: ['not intercepted: authority.names does not have outside.test'],
    })
  })
})
