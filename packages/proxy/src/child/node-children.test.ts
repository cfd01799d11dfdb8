import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { realAuthority, httpServer, httpsServer, TestServer } from '../capture/testing/servers.ts'
import type { ProxyEngine, ProxyOptions } from '../engine.ts'
import { startProxy } from '../proxy.ts'
import { nodeChild, type Ended } from './testing/node-child.ts'

async function start(options: ProxyOptions = {}): Promise<ProxyEngine> {
  const engine = await startProxy({ capture: false, adoptUnscoped: true, ...options })
  onTestFinished(() => engine.close())
  return engine
}

async function listen(server: Server): Promise<TestServer> {
  const listening = await TestServer.listen(server)
  onTestFinished(() => listening[Symbol.asyncDispose]())
  return listening
}

const run = (code: string, env: Record<string, string>, ...args: string[]): Promise<Ended> => nodeChild(code, env, ...args).ended

/** What the scope’s children asked for. */
function hostsOf(engine: ProxyEngine, scope = engine.root): string[] {
  return [...engine.journal.read()].flatMap(event => (event.kind === 'tcp' && event.scope === scope ? [event.host] : []))
}

const getRoot = `import http from 'node:http'
  http.get('http://name.test/', response => response.resume()).on('error', ({ code, syscall, message }) => console.log(code, syscall, message))`

test('a child that opens no connection loads no part of TLS for us, writes nothing, and ends by itself', async () => {
  const engine = await start()
  expect(await run(`console.log(typeof process.env.MIDWIRE_PARENT, process.execArgv.length)`, engine.env())).toEqual({
    code: 0,
    signal: null,
    stdout: 'string 3\n',
    stderr: '',
  })
})

test('the module alone, without the variables of a parent, changes nothing', async () => {
  const engine = await start()
  const server = await listen(createServer(socket => socket.end('direct')))
  const { NODE_OPTIONS = '' } = engine.env()
  const code = `import net from 'node:net'
    console.log(net.Socket.prototype.connect.name, Object.getOwnPropertySymbols(net.Socket).length)
    net.connect(${server.port}, '127.0.0.1').pipe(process.stdout)`
  const { stdout } = await run(code, { NODE_OPTIONS, MIDWIRE_PARENT: '', MIDWIRE_CA: '' })
  expect(stdout).toBe((await run(code, {})).stdout)
  expect(stdout).toContain('direct')
  expect(hostsOf(engine)).toEqual([])
})

test('two scopes have children at once, each its own traffic', async () => {
  const server = await httpServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const engine = await start({ upstream: `http://127.0.0.1:${server.port}` })
  const scopes = ['a', 'b'].map(name => engine.openScope(name))
  const answers = await Promise.all(
    scopes.map(scope => run(`console.log(await (await fetch('https://${scope.name}.test/of-${scope.name}')).text())`, engine.env(scope))),
  )
  expect(answers.map(({ stdout, stderr }) => stdout + stderr)).toEqual(['answer to /of-a\n', 'answer to /of-b\n'])
  expect(scopes.map(scope => hostsOf(engine, scope))).toEqual([['a.test'], ['b.test']])
})

test('its worker threads and its own children come in, too', async () => {
  const engine = await start({ upstream: 'none' })
  const ask = (host: string): string =>
    `import('node:http').then(http => http.get('http://${host}/').on('error', ({ code }) => console.log('${host}', code)))`
  const code = `import { Worker } from 'node:worker_threads'
    import { execFileSync } from 'node:child_process'
    const worker = new Worker(${JSON.stringify(ask('worker.test'))}, { eval: true })
    worker.on('exit', () => process.stdout.write(execFileSync(process.execPath, ['-e', ${JSON.stringify(ask('grandchild.test'))}])))`
  const { stdout, stderr } = await run(code, engine.env())
  expect(stderr).toBe('')
  expect(stdout).toBe('worker.test ECONNREFUSED\ngrandchild.test ECONNREFUSED\n')
  expect(hostsOf(engine)).toEqual(['worker.test', 'grandchild.test'])
})

test('what it wrote last arrives, though it ends at once', async () => {
  const got = Promise.withResolvers<string>()
  const server = await listen(
    createServer(socket => {
      let all = ''
      socket.on('error', () => {}).on('data', (chunk: Buffer) => (all += chunk.toString()))
      socket.on('close', () => got.resolve(all))
    }),
  )
  const engine = await start({ route: { 'name.test:7': `http://127.0.0.1:${server.port}` } })
  // No line of a request: it is tunnelled.
  const code = `import net from 'node:net'
    const socket = net.connect(7, 'name.test', () => socket.write('\\0'.repeat(200000), () => process.exit(3)))`
  expect(await run(code, engine.env())).toMatchObject({ code: 3, stderr: '' })
  expect((await got.promise).length).toBe(200000)
})

test.each<[NodeJS.Signals, RegExp]>([
  ['SIGKILL', /end|ECONNRESET/],
  ['SIGTERM', /end|ECONNRESET/],
])('when it ends by %s, its server sees its connections end', async (signal, seen) => {
  const ends = Promise.withResolvers<string>()
  const server = await listen(
    createServer(socket => {
      socket.on('error', ({ code }: NodeJS.ErrnoException) => ends.resolve(String(code))).on('end', () => ends.resolve('end'))
      socket.resume()
    }),
  )
  const engine = await start({ route: { 'name.test:7': `http://127.0.0.1:${server.port}` } })
  const code = `import net from 'node:net'
    const socket = net.connect(7, 'name.test', () => process.send ? 0 : console.log('connected')).on('error', () => {})
    socket.write('\\0')`
  const child = nodeChild(code, engine.env())
  await once(child.process.stdout ?? child.process, 'data')
  child.process.kill(signal)
  expect((await child.ended).signal).toBe(signal)
  expect(await ends.promise).toMatch(seen)
})

test('a pooled connection that is idle does not keep it alive', async () => {
  const server = await httpServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  ;(server.server as Server & { keepAliveTimeout: number }).keepAliveTimeout = 0
  const engine = await start({ upstream: `http://127.0.0.1:${server.port}` })
  const { stdout } = await run(`console.log(await (await fetch('http://name.test/x')).text())`, engine.env())
  expect(stdout).toBe('answer to /x\n')
})

describe('what the engine says of a connect is what its client gets', () => {
  test('where upstream is none', async () => {
    const engine = await start({ upstream: 'none' })
    expect((await run(getRoot, engine.env())).stdout).toBe('ECONNREFUSED connect connect ECONNREFUSED name.test:80\n')
  })

  test('where its network is down', async () => {
    const engine = await start({ upstream: 'none' })
    engine.goOffline(engine.root)
    expect((await run(getRoot, engine.env())).stdout).toMatch(/^E\w+ (connect|getaddrinfo) /)
  })

  test('where the scope has ended, which is told as a leak', async () => {
    const leaks: string[] = []
    const engine = await start({ onLeak: ({ host }) => leaks.push(host) })
    const scope = engine.openScope('over')
    const env = engine.env(scope)
    await engine.endScope(scope)
    expect((await run(getRoot, env)).stdout).toMatch(/^ECONNREFUSED connect /)
    expect(leaks).toEqual(['name.test'])
  })

  test('where the proxy has ended, which it is told once', async () => {
    const engine = await start()
    const env = engine.env()
    await engine.close()
    const { stdout, stderr } = await run(`${getRoot}\nhttp.get('https:'.slice(0, 0) + 'http://other.test/').on('error', () => {})`, env)
    expect(stdout).toMatch(/^ECONNREFUSED connect /)
    expect(stderr.match(/the proxy that this process was started for has ended, so its connections are refused/g)).toHaveLength(1)
  })
})

test('its client sees the real peer', async () => {
  const server = await httpServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const engine = await start()
  const code = `import net from 'node:net'
    const socket = net.connect(${server.port}, '127.0.0.1', () => {
      console.log(socket.remoteAddress, socket.remotePort, socket.remoteFamily)
      socket.destroy()
    })`
  expect((await run(code, engine.env())).stdout).toBe(`127.0.0.1 ${server.port} IPv4\n`)
})

test('options of TLS over a socket of its own reach the server', async () => {
  const server = await httpsServer('localhost')
  onTestFinished(() => server[Symbol.asyncDispose]())
  const engine = await start()
  const code = `import net from 'node:net'
    import tls from 'node:tls'
    const socket = net.connect(${server.port}, 'localhost', () => {
      const secure = tls.connect({ socket, servername: 'localhost', ca: process.argv.at(-1) }, () => {
        console.log(secure.getPeerCertificate().issuer.CN, secure.authorized)
        secure.destroy()
      })
    })`
  const { stdout, stderr } = await run(code, engine.env(), realAuthority.certificate)
  expect(stderr).toBe('')
  expect(stdout).toMatch(/^Midwire .*true\n$/)
})

test('a check of the server’s identity that cannot be asked is told of', async () => {
  const server = await httpsServer('localhost')
  onTestFinished(() => server[Symbol.asyncDispose]())
  const engine = await start({ route: { 'name.test': `https://127.0.0.1:${server.port}` } })
  const code = `import https from 'node:https'
    const options = { ca: process.argv.at(-1), checkServerIdentity: () => undefined }
    https.get('https://name.test/x', options, response => response.pipe(process.stdout))`
  const { stdout, stderr } = await run(code, engine.env(), realAuthority.certificate)
  expect(stdout).toBe('answer to /x')
  expect(stderr).toContain('the checkServerIdentity of the client of name.test is not asked in a child process')
})

test('whoever does not know the token is turned away, and strays are not kept', async () => {
  const engine = await start()
  const [lettersPort = '', landingPort = ''] = (engine.env()['MIDWIRE_PARENT'] ?? '').split(' ')
  const closed = async (port: string, line: string): Promise<void> => {
    const socket: Socket = (await import('node:net')).connect(Number(port), '127.0.0.1')
    socket.on('error', () => {}).resume()
    socket.write(line)
    await once(socket, 'close')
  }
  await closed(lettersPort, '{"kind":"hello","token":"guessed"}\n')
  await closed(lettersPort, 'GET / HTTP/1.1\r\n\r\n')
  const strays = Array.from({ length: 80 }, () => closed(landingPort, 'x'))
  await Promise.race(strays)
})
