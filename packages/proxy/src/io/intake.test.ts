import { once } from 'node:events'
import tls from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { rawClient } from '../../test/raw-peer.ts'
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
