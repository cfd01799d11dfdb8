import { describe, expect, onTestFinished, test } from 'vitest'
import { echoServer } from '../../test/echo-server.ts'
import { rawClient } from '../../test/raw-peer.ts'
import type { ProxyEngine } from '../engine.ts'
import { startProxy } from '../proxy.ts'

async function between(): Promise<{ proxy: ProxyEngine; upstream: string }> {
  const server = await echoServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const proxy = await startProxy({ capture: false })
  onTestFinished(() => proxy.close())
  return { proxy, upstream: `http://127.0.0.1:${server.port}` }
}

/** What a port answers to a head, in which PORT stands for itself. */
async function ask(url: string, head: string): Promise<string> {
  const { port } = new URL(url)
  const client = await rawClient(Number(port))
  client.socket.write(`${head.replaceAll('PORT', port)}\r\nConnection: close\r\n\r\n`)
  await client.ended()
  return client.text
}

const notes = (proxy: ProxyEngine): string[] => [...proxy.journal.read()].flatMap(event => (event.kind === 'note' ? [event.text] : []))

const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=='

describe('a page whose name was made to lead to this machine', () => {
  test.each([
    ['GET / HTTP/1.1\r\nHost: evil.example:PORT', 'a request'],
    [`GET / HTTP/1.1\r\nHost: evil.example:PORT\r\nOrigin: http://evil.example:PORT\r\n${upgrade}`, 'a WebSocket'],
    ['GET / HTTP/1.1\r\nHost: localhost.evil.example:PORT', 'a name that looks like ours'],
    ['GET / HTTP/1.1\r\nHost: 127.0.0.1.evil.example:PORT', 'a name that looks like an address'],
  ])('does not reach the upstream of urlFor: %j', async head => {
    const { proxy, upstream } = await between()
    expect(await ask(proxy.urlFor(upstream), head)).toMatch(/^HTTP\/1\.1 421 Misdirected Request\r\n/)
    expect(notes(proxy)).toEqual([
      expect.stringMatching(/^refused GET with 421: Midwire: .*evil\.example:\d+ is no name of this port; ask 127/),
    ])
    expect(proxy.connections).toEqual([])
  })

  test('does not reach any upstream by the fields that name one', async () => {
    const { proxy, upstream } = await between()
    const fields = `Midwire-Host: ${new URL(upstream).host}\r\nMidwire-Proto: http`
    expect(await ask(proxy.url, `GET / HTTP/1.1\r\nHost: evil.example:PORT\r\n${fields}`)).toMatch(/^HTTP\/1\.1 421 /)
    expect(await ask(proxy.url, `GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n${fields}`)).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('cannot do so from another origin, either: the fields need leave, which is not given', async () => {
    const { proxy } = await between()
    const answer = await ask(
      proxy.url,
      'OPTIONS / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Headers: midwire-host',
    )
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).not.toMatch(/access-control/i)
  })
})

test.each(['127.0.0.1:PORT', 'localhost:PORT', 'app.localhost:PORT', '[::1]:PORT', 'api.example.com', 'api.example.com:1'])(
  'a client that names %s is served by urlFor',
  async host => {
    const { proxy, upstream } = await between()
    expect(await ask(proxy.urlFor(upstream), `GET / HTTP/1.1\r\nHost: ${host}`)).toMatch(/^HTTP\/1\.1 200 /)
  },
)

test('a client with credentials may know this machine by any name', async () => {
  const { proxy, upstream } = await between()
  const credentials = btoa(`${new URL(proxy.proxyUrl(proxy.root, { credentials: true })).username}:x`)
  const fields = `Midwire-Host: ${new URL(upstream).host}\r\nProxy-Authorization: Basic ${credentials}`
  expect(await ask(proxy.url, `GET / HTTP/1.1\r\nHost: host.internal:PORT\r\n${fields}`)).toMatch(/^HTTP\/1\.1 200 /)
})

test.each(['0.0.0.0', '127.0.0.1', '[::ffff:127.0.0.1]'])('a request that leads back to the proxy by %s comes to an end', async host => {
  const { proxy } = await between()
  const head = `GET http://${host}:PORT/ HTTP/1.1\r\nHost: ${host}:PORT`
  expect(await ask(proxy.url, head)).toContain('Midwire: this is a proxy')
  expect(await ask(proxy.url, `GET / HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nMidwire-Host: ${host}:PORT`)).toContain('Midwire: this is a proxy')
})
