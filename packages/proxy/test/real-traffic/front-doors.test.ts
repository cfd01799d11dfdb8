import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createHttp2Server } from 'node:http2'
import { Agent as SecureAgent } from 'node:https'
import type { Server, Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { startProxy, type ProxyEngine, type ProxyOptions } from '../../src/index.ts'
import { echoServer } from '../echo-server.ts'
import { featuresOf, run, versionOf } from './program.ts'

const version = versionOf('curl')
const hasIpv6 = featuresOf('curl').includes('IPv6')
const speaksHttp2 = featuresOf('curl').includes('HTTP2')

const listener: RequestListener = (request, response) => void response.end(`${request.method} ${request.url} ${request.httpVersion}`)

async function listening(server: Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => sockets.add(socket))
  server.listen(0, host)
  await once(server, 'listening')
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, 'close')
  })
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}

async function proxyFor(port: number, options: ProxyOptions = {}): Promise<ProxyEngine> {
  const proxy = await startProxy({ capture: false, route: { 'api.example.com': `http://127.0.0.1:${port}` }, ...options })
  onTestFinished(() => proxy.close())
  return proxy
}

const curl = async (proxy: string, ...args: string[]): Promise<string> => {
  const { output, errors } = await run('curl', ['--silent', '--show-error', '--max-time', '20', '--proxy', proxy, ...args])
  return `${String(output)}${errors}`
}

const seen = (proxy: ProxyEngine): string[] =>
  [...proxy.journal.read()].flatMap(event => (event.kind === 'request' ? [`${event.scope.name} ${event.exchange.url}`] : []))

describe.skipIf(version === undefined)(`curl (${version ?? 'is not here'}) comes in`, () => {
  const insecure = '--insecure'

  test.each(['http', 'socks5h', 'socks5h with credentials', 'http with credentials'])('by %s, in clear text and with TLS', async way => {
    const proxy = await proxyFor(await listening(createServer(listener)))
    const scope = proxy.openScope('mine')
    const options = { credentials: way.endsWith('credentials') }
    const url = way.startsWith('http') ? proxy.proxyUrl(scope, options) : proxy.socksUrl(scope, options)
    expect(await curl(url, 'http://api.example.com/a', insecure, 'https://api.example.com/b')).toBe('GET /a 1.1GET /b 1.1')
    expect(seen(proxy)).toEqual(['mine http://api.example.com/a', 'mine https://api.example.com/b'])
  })

  test('by socks5, which brings an address', async () => {
    const port = await listening(createServer(listener))
    const proxy = await proxyFor(port)
    expect(await curl(proxy.socksUrl().replace('socks5h', 'socks5'), `http://127.0.0.1:${port}/a`)).toBe('GET /a 1.1')
    expect(seen(proxy)).toEqual([`file http://127.0.0.1:${port}/a`])
  })

  test.skipIf(!hasIpv6)('with an IPv6 address', async () => {
    const port = await listening(createServer(listener), '::1')
    const proxy = await proxyFor(port)
    const to = `http://[::1]:${port}/a`
    expect(await curl(proxy.url, to)).toBe('GET /a 1.1')
    expect(await curl(proxy.url, '--proxytunnel', to)).toBe('GET /a 1.1')
    expect(await curl(proxy.socksUrl(), to)).toBe('GET /a 1.1')
    expect(seen(proxy)).toEqual([`file ${to}`, `file ${to}`, `file ${to}`])
  })

  test.skipIf(!speaksHttp2)('with HTTP/2 in clear text inside CONNECT, and by SOCKS', async () => {
    const server = createHttp2Server((request, response) => void response.end(`${request.method} ${request.url} ${request.httpVersion}`))
    const port = await listening(server)
    const proxy = await proxyFor(port)
    const to = `http://127.0.0.1:${port}/h2c`
    expect(await curl(proxy.url, '--proxytunnel', '--http2-prior-knowledge', to)).toBe('GET /h2c 2.0')
    expect(await curl(proxy.socksUrl(), '--http2-prior-knowledge', to)).toBe('GET /h2c 2.0')
    expect(seen(proxy)).toEqual([`file ${to}`, `file ${to}`])
  })

  test('and is told of wrong credentials, and of an upstream that is not there', async () => {
    const proxy = await proxyFor(await listening(createServer(listener)), { upstream: 'none' })
    const stranger = proxy.url.replace('//', '//stranger:x@')
    expect(await curl(stranger, 'http://api.example.com/')).toBe('Midwire: these credentials were not handed out by this proxy\n')
    expect(await curl(stranger, insecure, 'https://api.example.com/')).toContain('response 407')
    expect(await curl(stranger.replace('http', 'socks5h'), 'http://api.example.com/')).toMatch(/User was rejected by the SOCKS5 server/)
    expect(await curl(proxy.url, 'http://nowhere.test/')).toContain('Midwire could not reach the upstream server')
    expect(await curl(proxy.url, insecure, 'https://nowhere.test/')).toContain('response 502')
    expect(await curl(proxy.socksUrl(), 'http://nowhere.test/')).toMatch(/\(5\)/)
  })

  test('finds the credentials by itself where it asks without them first', async () => {
    const proxy = await proxyFor(await listening(createServer(listener)), { listen: { host: '0.0.0.0' } })
    expect(await curl(proxy.url, '--proxy-anyauth', 'http://api.example.com/a')).toBe('GET /a 1.1')
    expect(await curl(proxy.url, '--proxy-anyauth', insecure, 'https://api.example.com/b')).toBe('GET /b 1.1')
  })
})

describe("Node's own agents come in", () => {
  test('in absolute form, and by CONNECT', async () => {
    const proxy = await proxyFor(await listening(createServer(listener)))
    const scope = proxy.openScope('mine')
    const proxyEnv = { HTTP_PROXY: proxy.proxyUrl(scope, { credentials: true }) }
    const agent = new Agent({ proxyEnv })
    onTestFinished(() => agent.destroy())
    const [response] = (await once(get('http://api.example.com/a', { agent }), 'response')) as [IncomingMessage]
    expect(await text(response)).toBe('GET /a 1.1')
    expect(seen(proxy)).toEqual(['mine http://api.example.com/a'])
  })

  test('with a WebSocket, in clear text and with TLS', async () => {
    const server = await echoServer()
    onTestFinished(() => server[Symbol.asyncDispose]())
    const proxy = await proxyFor(server.port)
    const scope = proxy.openScope('mine')
    const via = proxy.proxyUrl(scope, { credentials: true })
    const agents = [
      new Agent({ proxyEnv: { HTTP_PROXY: via } }),
      new SecureAgent({ proxyEnv: { HTTPS_PROXY: via }, ca: proxy.certificate }),
    ]
    for (const [n, agent] of agents.entries()) {
      onTestFinished(() => agent.destroy())
      const socket = new WebSocket(`${n === 0 ? 'ws' : 'wss'}://api.example.com/${n}`, { agent })
      await once(socket, 'open')
      socket.send('hello')
      expect(String((await once(socket, 'message'))[0])).toBe('hello')
      socket.close()
      await once(socket, 'close')
    }
    expect(proxy.connections.map(({ url, scope: { name } }) => `${name} ${url}`)).toEqual([
      'mine ws://api.example.com/0',
      'mine wss://api.example.com/1',
    ])
  })
})
