import { execFile, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { fetch, ProxyAgent, WebSocket } from 'undici'
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { startProxy } from '../../src/proxy.ts'
import type { ProxyEngine } from '../../src/engine.ts'
import { echoServer } from '../echo-server.ts'

const addon = fileURLToPath(new URL('../../../../docs/mitmproxy/midwire.py', import.meta.url))
const why = spawnSync('mitmdump', ['--version']).error ? 'mitmdump is not installed' : undefined

const ends: (() => unknown)[] = []
let proxy: ProxyEngine
let mitmproxy: string
let folder: string
let ca: string

beforeAll(async () => {
  if (why !== undefined) return
  folder = mkdtempSync(join(tmpdir(), 'midwire-mitmproxy-'))
  ends.push(() => rmSync(folder, { recursive: true }))
  const server = await echoServer()
  ends.push(() => server[Symbol.asyncDispose]())
  proxy = await startProxy({ capture: false, route: { 'api.example.com': `http://127.0.0.1:${server.port}` } })
  ends.push(() => proxy.close())
  const url = proxy.proxyUrl(proxy.openScope('behind mitmproxy'), { credentials: true })
  const args = ['--listen-host', '127.0.0.1', '--listen-port', '0', '--set', `confdir=${folder}`, '-s', addon, '--set', `midwire=${url}`]
  const child = spawn('mitmdump', args, { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, PYTHONUNBUFFERED: '1' } })
  const exited = once(child, 'exit')
  ends.push(async () => {
    child.kill('SIGKILL')
    await exited
  })
  let said = ''
  mitmproxy = await new Promise((resolve, reject) => {
    child.once('exit', () => reject(new Error(`mitmdump ended: ${said}`)))
    child.stdout.on('data', chunk => {
      said += String(chunk)
      const port = /listening at \S*:(?<port>\d+)/.exec(said)?.groups?.['port']
      if (port !== undefined) resolve(`http://127.0.0.1:${port}`)
    })
  })
  ca = join(folder, 'mitmproxy-ca-cert.pem')
})
afterAll(async () => {
  for (const end of ends.toReversed()) await end()
})
beforeEach(({ skip }) => {
  if (why !== undefined) skip(why)
})

/** What curl prints when it asks through mitmproxy. */
async function curl(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('curl', ['-sS', '--noproxy', '', '--proxy', mitmproxy, '--cacert', ca, ...args])
  return stdout
}

function asked(): string[] {
  return [...proxy.journal.read()].flatMap(event =>
    event.kind === 'request' && event.scope.name === 'behind mitmproxy' ? [`${event.exchange.method} ${event.exchange.url}`] : [],
  )
}

test.each([
  ['https', ['--http1.1', 'https://api.example.com/one']],
  ['HTTP/2', ['--http2', 'https://api.example.com/two']],
  ['http', ['http://api.example.com/three']],
  ['another port', ['https://api.example.com:8443/four']],
])('%s through mitmproxy is seen by Midwire as what its client meant, in the scope of the credentials', async (_what, args) => {
  const url = new URL(args.at(-1) ?? '')
  expect(JSON.parse(await curl('--data', 'hi', ...args))).toEqual({ method: 'POST', url: url.pathname, host: url.host, body: 'hi' })
  expect(asked()).toContain(`POST ${url.href}`)
})

test('the fields that are meant for Midwire reach no upstream', async () => {
  await curl('https://api.example.com/fields')
  const event = [...proxy.journal.read()].find(
    ({ kind, ...more }) => kind === 'request' && 'exchange' in more && more.exchange.path === '/fields',
  )
  expect(JSON.stringify(event?.kind === 'request' && event.exchange.rawHeaders)).not.toMatch(/midwire|proxy-/i)
})

test('a WebSocket through mitmproxy is a connection of Midwire', async () => {
  const agent = new ProxyAgent({ uri: mitmproxy, requestTls: { ca: readFileSync(ca) } })
  onTestFinished(() => agent.destroy())
  const socket = new WebSocket('wss://api.example.com/socket?v=6', { dispatcher: agent })
  const opened = new Promise(resolve => socket.addEventListener('open', resolve))
  const received = new Promise(resolve => socket.addEventListener('message', ({ data }) => resolve(data)))
  await opened
  socket.send('hello')
  expect(await received).toBe('hello')
  expect(proxy.connections).toMatchObject([{ url: 'wss://api.example.com/socket?v=6', state: 'open' }])
  socket.close()
  await new Promise(resolve => socket.addEventListener('close', resolve))
})

test('an event stream arrives as it comes', async () => {
  let end = (): void => {}
  const events = createServer((_request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write('data: 1\n\n')
    end = () => response.end('data: 2\n\n')
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void events.close())
  await once(events, 'listening')
  const agent = new ProxyAgent({ uri: mitmproxy, proxyTunnel: false })
  onTestFinished(() => agent.destroy())
  const { body } = await fetch(`http://127.0.0.1:${(events.address() as AddressInfo).port}/`, { dispatcher: agent })
  const texts: string[] = []
  for await (const chunk of body ?? []) {
    texts.push(Buffer.from(chunk as Uint8Array).toString())
    end()
  }
  expect(texts).toEqual(['data: 1\n\n', 'data: 2\n\n'])
})
