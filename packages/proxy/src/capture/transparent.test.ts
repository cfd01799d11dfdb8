import { connect as connectTls } from 'node:tls'
import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { echoServer, type EchoServer } from '../../test/echo-server.ts'
import { RawPeer, rawClient, rawServer } from '../../test/raw-peer.ts'
import type { ProxyEngine, ProxyOptions } from '../engine.ts'
import { startProxy } from '../proxy.ts'

async function between(options: ProxyOptions = {}): Promise<{ server: EchoServer; proxy: ProxyEngine; port: number }> {
  const server = await echoServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const proxy = await startProxy({ capture: false, route: { 'api.example.com': `http://127.0.0.1:${server.port}` }, ...options })
  onTestFinished(() => proxy.close())
  return { server, proxy, port: proxy.transparentPort() }
}

const notes = (proxy: ProxyEngine): string[] => [...proxy.journal.read()].flatMap(event => (event.kind === 'note' ? [event.text] : []))
const urls = (proxy: ProxyEngine): string[] =>
  [...proxy.journal.read()].flatMap(event => (event.kind === 'request' ? [event.exchange.url] : []))

describe('a redirected connection goes', () => {
  test('where its SNI says, and its client sees a leaf for that name', async () => {
    const { proxy, port } = await between()
    const socket = connectTls({ port, host: '127.0.0.1', servername: 'api.example.com', ca: proxy.certificate })
    const client = new RawPeer(socket)
    socket.write('GET /over/tls HTTP/1.1\r\nHost: api.example.com\r\n\r\n')
    expect(await client.untilText('"body"')).toContain('"url":"/over/tls","host":"api.example.com"')
    expect(urls(proxy)).toEqual(['https://api.example.com/over/tls'])
    expect([...proxy.journal.read()][0]).toMatchObject({ kind: 'tcp', host: 'api.example.com', port: 443 })
    socket.destroy()
  })

  test('where its Host says, however the head is cut', async () => {
    const { proxy, port } = await between()
    const client = await rawClient(port)
    for (const piece of ['GE', 'T /plain HTTP/1.1\r\nHo', 'st:api.exam', 'ple.com \r\nX: 1\r', '\n\r\n']) {
      await new Promise(resolve => client.socket.write(piece, resolve))
      await new Promise(setImmediate)
    }
    expect(await client.untilText('"body"')).toContain('"url":"/plain","host":"api.example.com"')
    expect(urls(proxy)).toEqual(['http://api.example.com/plain'])
  })

  test('to the port that its Host names', async () => {
    const { server, proxy, port } = await between()
    const client = await rawClient(port)
    client.socket.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n\r\n`)
    await client.untilText('"body"')
    expect(urls(proxy)).toEqual([`http://127.0.0.1:${server.port}/`])
  })

  test('on as a WebSocket', async () => {
    const { proxy, port } = await between()
    const socket = new WebSocket('wss://api.example.com/socket', {
      createConnection: () => connectTls({ port, host: '127.0.0.1', servername: 'api.example.com', ca: proxy.certificate }),
    })
    await once(socket, 'open')
    socket.send('hello')
    expect(String((await once(socket, 'message'))[0])).toBe('hello')
    expect(proxy.connections).toMatchObject([{ url: 'wss://api.example.com/socket', state: 'open' }])
    socket.close()
    await once(socket, 'close')
  })

  test('into the scope that its port was opened for', async () => {
    const { proxy } = await between()
    const scope = proxy.openScope('a test')
    const port = proxy.transparentPort(scope)
    expect(proxy.transparentPort(scope)).toBe(port)
    expect(proxy.transparentPort()).not.toBe(port)
    const client = await rawClient(port)
    client.socket.write('GET / HTTP/1.1\r\nHost: api.example.com\r\n\r\n')
    await client.untilText('"body"')
    expect(new Set([...proxy.journal.read()].map(event => event.scope))).toEqual(new Set([scope]))
    await proxy.endScope(scope)
    await expect(rawClient(port)).rejects.toThrow('ECONNREFUSED')
  })

  test('to the port that was asked for, or says that it is in use', async () => {
    const { proxy } = await between()
    const taken = await rawServer()
    onTestFinished(() => taken[Symbol.asyncDispose]())
    const scope = proxy.openScope('a test')
    expect(() => proxy.transparentPort(scope, { port: taken.port })).toThrow(`cannot listen on 127.0.0.1:${taken.port}`)
  })
})

describe('a connection is refused, with a line of the journal,', () => {
  test.each([
    ['a protocol that names no host', 'SSH-2.0-x\r\n'],
    ['a request without a Host', 'GET / HTTP/1.1\r\n\r\n'],
    ['a Host that is none', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n'],
    ['a request that was meant for a proxy', 'GET http://api.example.com/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n'],
    ['a CONNECT', 'CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n'],
    ['a body that looks like a head', 'POST / HTTP/1.1\r\n\r\nx\r\nHost: api.example.com\r\n\r\n'],
    ['HTTP/2 in clear text', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
  ])('where the kernel does not tell more: %s', async (_what, bytes) => {
    const { proxy, port } = await between()
    const client = await rawClient(port)
    client.socket.write(bytes)
    expect(await client.ended()).toBe('rst')
    expect(notes(proxy)).toEqual([
      expect.stringMatching(/^refused a redirected connection of 127\.0\.0\.1:\d+: it names no host by SNI or Host/),
    ])
  })

  test('where it names no host in TLS', async () => {
    const { proxy, port } = await between()
    const socket = connectTls({ port, host: '127.0.0.1', ca: proxy.certificate })
    await expect(once(socket, 'secureConnect')).rejects.toThrow('ECONNRESET')
    expect(notes(proxy)).toEqual([expect.stringContaining('names no host by SNI or Host')])
  })

  test('where it was meant for Midwire itself, by whatever name', async () => {
    const { proxy, port } = await between()
    for (const host of ['127.0.0.1', 'localhost', 'LOCALHOST', '[::1]', '0.0.0.0']) {
      const client = await rawClient(port)
      client.socket.write(`GET / HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`)
      expect(await client.ended()).toBe('rst')
    }
    expect(notes(proxy)).toHaveLength(5)
    expect(urls(proxy)).toEqual([])
  })
})

test('a client that says nothing and leaves is no matter', async () => {
  const { proxy, port } = await between()
  const client = await rawClient(port)
  client.socket.end()
  await client.ended()
  expect([...proxy.journal.read()]).toEqual([])
})
