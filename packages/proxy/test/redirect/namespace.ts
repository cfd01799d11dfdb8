// Runs inside a network namespace of its own: servers, an engine, a packet filter, and clients of another user. Prints what came of it as JSON.
import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer as createHttpServer, type RequestListener, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { join } from 'node:path'
import tls from 'node:tls'
import { promisify } from 'node:util'
import { WebSocketServer } from 'ws'
import type { RequestRule } from '../../src/rule/request-rule.ts'
import { startProxy } from '../../src/proxy.ts'
import { Authority } from '../../src/tls/authority.ts'

const [folder = '', filter = ''] = process.argv.slice(2)
/** The user `nobody`, whose connections are redirected. */
const client = 65534
const real = Authority.create()
const certificates = join(folder, 'ca.pem')

execFileSync('ip', ['link', 'set', 'lo', 'up'])
writeFileSync(join(folder, 'hosts'), '127.0.0.2 api.example.com\n::1 six.example.com\n127.0.0.1 localhost\n')
execFileSync('mount', ['--bind', join(folder, 'hosts'), '/etc/hosts'])
tls.setDefaultCACertificates([real.certificate])

const answer: RequestListener = ({ headers: { host }, url, socket }, response) =>
  response.end(`${host}${url} at ${socket.localAddress}:${socket.localPort}`)
await serve(createHttpServer(answer), '0.0.0.0', 80)
await serve(createHttpsServer(real.leaf('api.example.com'), answer), '0.0.0.0', 443)
await serve(createHttpsServer(real.leaf('six.example.com'), answer), '::1', 443)

const engine = await startProxy({ capture: false })
writeFileSync(certificates, engine.certificate)
// As in the documented rule: this namespace has all ports free.
const port = engine.transparentPort(engine.root, { port: 9999 })
execFileSync('sh', ['-e', '-c', filter], { env: { ...process.env, CLIENT: String(client), MIDWIRE: String(port) } })
engine.rules.add<RequestRule>({
  on: 'request',
  scope: engine.root,
  at: { file: 'namespace.ts', line: 1, column: 1 },
  start: 'onRequest',
  optional: false,
  match: { test: ({ path }) => path === '/ruled', text: 'any' },
  needsBody: false,
  action: { kind: 'respondWith', response: { status: 503, body: Buffer.from('ruled'), headers: [] } },
})

const socket = `const s = new WebSocket('wss://api.example.com/socket')
s.onopen = () => s.send('hello')
s.onmessage = ({ data }) => { console.log(data); s.close() }`
const answers = {
  overTls: await asClient('curl', '-sS', '--resolve', 'api.example.com:443:127.0.0.3', 'https://api.example.com/tls'),
  inClearText: await asClient('curl', '-sS', 'http://api.example.com/plain'),
  overIpv6: await asClient('curl', '-sS', 'https://six.example.com/six'),
  ruled: await asClient('curl', '-sS', 'https://api.example.com/ruled'),
  webSocket: await asClient(process.execPath, '-e', socket),
  ofAnotherUser: await run('curl', ['-sS', 'http://api.example.com/direct']),
  looped: '',
}
// Now the engine's own user, too.
const alsoOwn = ['-t', 'nat', '-A', 'OUTPUT', '-p', 'tcp', '--dport', '8080', '-j', 'REDIRECT', '--to-ports', String(port)]
execFileSync('iptables', alsoOwn)
answers.looped = await run('curl', ['-sS', 'http://api.example.com:8080/loop'])

const seen = [...engine.journal.read()].flatMap(event => {
  if (event.kind === 'request') return [`${event.exchange.url} ${event.exchange.delivered?.status}`]
  if (event.kind === 'connection') return [event.connection.url]
  return event.kind === 'note' ? [event.text] : []
})
console.log(JSON.stringify({ answers, seen }))
process.exit()

async function serve(server: Server, host: string, at: number): Promise<void> {
  new WebSocketServer({ server }).on('connection', peer => peer.on('message', data => peer.send(`echo of ${String(data)}`)))
  server.listen(at, host)
  await once(server, 'listening')
}

function asClient(...command: string[]): Promise<string> {
  return run('setpriv', ['--reuid', String(client), '--regid', String(client), '--clear-groups', ...command])
}

/** What a command says on either output. */
async function run(command: string, args: readonly string[]): Promise<string> {
  // Nothing of what else the machine may say of proxies and certificates.
  const env = { PATH: process.env['PATH'], SSL_CERT_FILE: certificates, NODE_EXTRA_CA_CERTS: certificates }
  const { stdout, stderr } = await promisify(execFile)(command, args, { env, timeout: 20_000 }).catch(
    (error: unknown) => error as { stdout: string; stderr: string },
  )
  return `${stdout}${stderr}`.trim()
}
