import { describe, expect, onTestFinished, test } from 'vitest'
import { fetch, ProxyAgent } from 'undici'
import { echoServer, type EchoServer } from '../../test/echo-server.ts'
import { rawClient } from '../../test/raw-peer.ts'
import type { Leak, ProxyEngine, ProxyOptions } from '../engine.ts'
import { startProxy } from '../proxy.ts'
import type { Scope } from '../scope.ts'

async function between(options: ProxyOptions = {}): Promise<{ server: EchoServer; proxy: ProxyEngine }> {
  const server = await echoServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const proxy = await startProxy({ capture: false, route: { 'api.example.com': `http://127.0.0.1:${server.port}` }, ...options })
  onTestFinished(() => proxy.close())
  return { server, proxy }
}

const portOf = (url: string): number => Number(new URL(url).port)

/** What the journal of a scope says was asked. */
function askedIn(proxy: ProxyEngine, scope: Scope): string[] {
  return [...proxy.journal.read()].flatMap(event => (event.kind === 'request' && event.scope === scope ? [event.exchange.path] : []))
}

const basic = (url: string): string => `Basic ${Buffer.from(`${new URL(url).username}:x`).toString('base64')}`

describe('credentials that carry the scope', () => {
  test('serve all scopes on one port, each its own traffic', async () => {
    const { proxy } = await between()
    const [a, b] = [proxy.openScope('a'), proxy.openScope('b')]
    const urls = [a, b].map(scope => proxy.proxyUrl(scope, { credentials: true }))
    expect(urls[0]).toMatch(/^http:\/\/[\w-]{24}:x@127\.0\.0\.1:\d+$/)
    expect(new Set([proxy.url, ...urls].map(portOf)).size).toBe(1)
    for (const [n, uri] of urls.entries()) {
      const agent = new ProxyAgent({ uri, requestTls: { ca: proxy.certificate } })
      onTestFinished(() => agent.close())
      await (await fetch(`https://api.example.com/${n}`, { dispatcher: agent })).text()
      await (await fetch(`http://api.example.com/plain/${n}`, { dispatcher: agent })).text()
    }
    expect(askedIn(proxy, a)).toEqual(['/0', '/plain/0'])
    expect(askedIn(proxy, b)).toEqual(['/1', '/plain/1'])
  })

  test('belong to each request in absolute form, and upstream does not see them', async () => {
    const { proxy } = await between()
    const [a, b] = [proxy.openScope('a'), proxy.openScope('b')]
    const client = await rawClient(portOf(proxy.url))
    for (const [path, scope] of [
      ['/1', a],
      ['/2', b],
      ['/3', a],
    ] as const) {
      const credentials = basic(proxy.proxyUrl(scope, { credentials: true }))
      client.socket.write(`GET http://api.example.com${path} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${credentials}\r\n\r\n`)
      await client.takeThrough('0\r\n\r\n')
    }
    expect(askedIn(proxy, a)).toEqual(['/1', '/3'])
    expect(askedIn(proxy, b)).toEqual(['/2'])
    const [request] = [...proxy.journal.read()].filter(event => event.kind === 'request')
    expect(request?.exchange.headers).not.toHaveProperty('proxy-authorization')
  })

  test.each(['GET http://api.example.com/', 'CONNECT api.example.com:80'])('that are wrong are answered 407: %s', async line => {
    const { proxy } = await between()
    const client = await rawClient(portOf(proxy.url))
    client.socket.write(`${line} HTTP/1.1\r\nHost: x\r\nProxy-Authorization: Basic ${btoa('stranger:x')}\r\n\r\n`)
    expect(await client.ended()).toBe('fin')
    expect(client.text).toMatch(/^HTTP\/1\.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="Midwire"/)
    expect(client.text).toMatch(/\r\n\r\nMidwire: these credentials were not handed out by this proxy\n$/)
    expect([...proxy.journal.read()]).toMatchObject([{ kind: 'note', text: expect.stringContaining(`refused ${line} with 407`) }])
  })

  test('of a scope that has ended are refused, and the leak is told', async () => {
    const leaks: Leak[] = []
    const { proxy } = await between({ onLeak: leak => leaks.push(leak) })
    const scope = proxy.openScope('a test')
    const credentials = basic(proxy.proxyUrl(scope, { credentials: true }))
    await proxy.endScope(scope)
    const connecting = await rawClient(portOf(proxy.url))
    connecting.socket.write(`CONNECT api.example.com:80 HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${credentials}\r\n\r\n`)
    expect(await connecting.untilText('ECONNREFUSED')).toContain('HTTP/1.1 502 Bad Gateway')
    const asking = await rawClient(portOf(proxy.url))
    asking.socket.write(`GET http://other.example.com/ HTTP/1.1\r\nHost: x\r\nProxy-Authorization: ${credentials}\r\n\r\n`)
    expect(await asking.ended()).toBe('rst')
    expect(leaks).toMatchObject([{ scope, host: 'api.example.com' }, { scope }])
  })

  test('are not needed on loopback; a scope has a port of its own where they are not wanted', async () => {
    const { proxy } = await between()
    const scope = proxy.openScope('a')
    const url = proxy.proxyUrl(scope)
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    const agent = new ProxyAgent(url)
    onTestFinished(() => agent.close())
    await (await fetch('http://api.example.com/x', { dispatcher: agent })).text()
    expect(askedIn(proxy, scope)).toEqual(['/x'])
  })

  test('are needed where the port is open to other machines', async () => {
    const { proxy } = await between({ listen: { host: '0.0.0.0' } })
    expect(proxy.url).toMatch(/^http:\/\/[\w-]{24}:x@127\.0\.0\.1:\d+$/)
    const client = await rawClient(portOf(proxy.url))
    client.socket.write(`GET http://api.example.com/ HTTP/1.1\r\nHost: x\r\n\r\n`)
    expect(await client.untilText('needs credentials')).toContain('HTTP/1.1 407 ')
    const agent = new ProxyAgent(proxy.url)
    onTestFinished(() => agent.close())
    expect((await fetch('http://api.example.com/x', { dispatcher: agent })).status).toBe(200)
    expect(() => proxy.proxyUrl(proxy.root, { credentials: false })).toThrow('credentials: false — expected true')
    expect(() => proxy.socksUrl(proxy.openScope('a'), { credentials: false })).toThrow('lets other machines in')
  })
})

describe('listen', () => {
  test('binds the port that was asked for, at once', async () => {
    const { proxy: first } = await between()
    const port = portOf(first.url)
    await first.close()
    const { proxy } = await between({ listen: { port } })
    await rawClient(port)
    expect(proxy.url).toBe(`http://127.0.0.1:${port}`)
  })

  test('says of a port in use that it is', async () => {
    const { proxy } = await between()
    const port = portOf(proxy.url)
    await expect(startProxy({ listen: { port } })).rejects.toThrow(`cannot listen on 127.0.0.1:${port}: the port is in use`)
  })

  test('refuses what is no address or port', async () => {
    await expect(startProxy({ listen: { host: 'localhost' } })).rejects.toThrow('listen: host "localhost" is no IP address')
    await expect(startProxy({ listen: { port: 70000 } })).rejects.toThrow('listen: 70000 is no port')
  })
})

describe('an upstream named per request, by headers', () => {
  test('gets the request in origin form with its own Host, and without those headers', async () => {
    const { proxy } = await between()
    const client = await rawClient(portOf(proxy.url))
    client.socket.write(
      `GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:${portOf(proxy.url)}\r\nMidwire-Host: api.example.com:443\r\nMidwire-Proto: https\r\nX: 1\r\n\r\n`,
    )
    expect(await client.untilText('"body"')).toContain('"url":"/a?b","host":"api.example.com"')
    const [request] = [...proxy.journal.read()].filter(event => event.kind === 'request')
    expect(request?.exchange.url).toBe('https://api.example.com/a?b')
    expect(request?.exchange.rawHeaders.join('\n')).not.toMatch(/midwire/i)
  })

  test.each([
    ['Midwire-Host: a b', 'Midwire-Host: "a b"; expected host, or host:port'],
    ['Midwire-Host: a\r\nMidwire-Proto: ftp', 'Midwire-Proto: "ftp"; expected http, https, ws or wss'],
  ])('is refused where it cannot be meant: %j', async (headers, text) => {
    const { proxy } = await between()
    const client = await rawClient(portOf(proxy.url))
    client.socket.write(`GET / HTTP/1.1\r\nHost: x\r\n${headers}\r\n\r\n`)
    expect(await client.untilText(text)).toContain('HTTP/1.1 400 Bad Request')
  })
})

describe('requests that no proxy can serve', () => {
  test.each([
    ['GET / HTTP/1.1\r\nHost: SELF', 'this is a proxy'],
    ['GET ftp://a/ HTTP/1.1\r\nHost: a', 'ftp: is none of http:'],
    ['GET http://a:99999/ HTTP/1.1\r\nHost: a', '"a:99999" is no host'],
    ['GET http://u:p@a/ HTTP/1.1\r\nHost: a', '"u:p@a" is no host'],
    ['GET http:/// HTTP/1.1\r\nHost: a', '"" is no host'],
    [`GET a:80 HTTP/1.1\r\nHost: a`, `refused a malformed request`],
    ['GET / HTTP/1.1', 'the Host "" names no host'],
    ['CONNECT a HTTP/1.1\r\nHost: a', 'CONNECT "a"; expected host:port'],
    ['CONNECT a:0 HTTP/1.1\r\nHost: a', 'CONNECT "a:0"; expected host:port'],
    ['CONNECT :80 HTTP/1.1\r\nHost: a', 'CONNECT ":80"; expected host:port'],
  ])('are answered 400: %j', async (head, text) => {
    const { proxy } = await between()
    const client = await rawClient(portOf(proxy.url))
    client.socket.write(`${head.replace('SELF', `127.0.0.1:${portOf(proxy.url)}`)}\r\n\r\n`)
    expect(await client.ended()).toBe('fin')
    expect(client.text).toContain('HTTP/1.1 400 Bad Request')
    expect(client.text).toContain(text)
    expect([...proxy.journal.read()]).toMatchObject([{ kind: 'note', text: expect.stringContaining(text) }])
  })
})

describe('a rule for connects', () => {
  test.each([
    [{ kind: 'refuse' }, 'connect ECONNREFUSED api.example.com:80'],
    [{ kind: 'unreachable', code: 'EHOSTUNREACH' }, 'connect EHOSTUNREACH api.example.com:80'],
    [{ kind: 'failDns', code: 'ENOTFOUND' }, 'getaddrinfo ENOTFOUND api.example.com'],
  ] as const)('lets a request in absolute form fail with 502: %j', async (action, text) => {
    const { proxy } = await between()
    proxy.rules.add({
      on: 'connect',
      scope: proxy.root,
      at: { file: '/front-door.test.ts', line: 1, column: 1 },
      start: 'onConnect',
      optional: false,
      match: { test: () => true, text: 'any' },
      action,
    })
    const client = await rawClient(portOf(proxy.url))
    client.socket.write('GET http://api.example.com/ HTTP/1.1\r\nHost: x\r\n\r\n')
    expect(await client.untilText(text)).toContain('HTTP/1.1 502 Bad Gateway')
  })
})

test('an upgrade in absolute form whose upstream cannot be reached is answered 502', async () => {
  const { proxy } = await between({ upstream: 'none', route: {} })
  const client = await rawClient(portOf(proxy.url))
  client.socket.write(
    'GET http://nowhere.example.com/ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  expect(await client.untilText('could not reach')).toContain('HTTP/1.1 502 Bad Gateway')
  expect(await client.ended()).toBe('fin')
  client.socket.end()
  const refusals = [...proxy.journal.read()].filter(event => event.kind === 'refused')
  expect(refusals).toMatchObject([
    { status: 502, text: expect.stringContaining('no upstream connection: '), connection: { state: 'closed' } },
  ])
})
