import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:tls'
import { expect, test } from 'vitest'
import { startInterceptionProxy } from './start.ts'

test('a browser knows by a key what it is shown, and trusts it', async () => {
  await using proxy = await startInterceptionProxy({ upstream: 'none' })
  proxy.onRequest().optional().respondWith(204)
  const [trust] = proxy.launchOptions().args
  const socket = connect({ host: 'app.example.com', port: 443, servername: 'app.example.com' })
  await once(socket, 'secureConnect')
  const shown = new Set<string>()
  for (let at = socket.getPeerX509Certificate(); at; at = at.issuerCertificate) {
    const spki = at.publicKey.export({ type: 'spki', format: 'der' })
    shown.add(createHash('sha256').update(spki).digest('base64'))
  }
  socket.destroy()
  expect(shown.size).toBe(2)
  expect(shown).toContain(trust?.replace('--ignore-certificate-errors-spki-list=', ''))
})

test('a context of a browser goes through the proxy of its test, also to this machine', async () => {
  await using proxy = await startInterceptionProxy()
  expect(proxy.contextOptions()).toEqual({ proxy: { server: proxy.url, bypass: '<-loopback>' } })
})
