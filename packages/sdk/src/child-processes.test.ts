import { type ExecFileOptions, execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { json } from './codec/json.ts'
import { startInterceptionProxy, type StartedProxy } from './start.ts'
import { startEchoServer } from './testing/scripted-server.ts'

interface Note {
  readonly n: number
}

const run = promisify(execFile)

async function start(): Promise<StartedProxy<Note>> {
  const server = await startEchoServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const proxy = await startInterceptionProxy({ codec: json<Note>(), route: { 'notes.test': server.url } })
  onTestFinished(() => proxy[Symbol.asyncDispose]())
  return proxy
}

/** In this folder, where packages are found; `env` is laid over ours. */
function options(env: Record<string, string>): ExecFileOptions & { encoding: 'utf8' } {
  return { cwd: import.meta.dirname, env: { ...process.env, ...env }, encoding: 'utf8' }
}

function node(code: string, env: Record<string, string>): ReturnType<typeof run> {
  return run(process.execPath, ['--input-type=module', '--eval', code], options(env))
}

/** Sends 1, 2 and 3, and writes what comes back until 3 does. */
const sendThree = (open: string): string => `
  ${open}
  client.onopen = () => [1, 2, 3].forEach(n => client.send(JSON.stringify({ n })))
  client.onmessage = ({ data }) => {
    console.log(data)
    if (JSON.parse(data).n === 3) client.close()
  }`

describe('a child on Node', () => {
  test.each([
    ['ws', `import { WebSocket } from 'ws'; const client = new WebSocket('wss://notes.test/v1')`],
    ['the global WebSocket', `const client = new WebSocket('wss://notes.test/v1')`],
    ['undici', `import { WebSocket } from 'undici'; const client = new WebSocket('wss://notes.test/v1')`],
  ])('has rules and waits on its WebSocket: %s', async (_name, open) => {
    const proxy = await start()
    const lost = proxy.onServerMessage({ n: 2 }).drop()
    const child = node(sendThree(open), proxy.env())
    const third = await proxy.waitForClientMessage({ n: 3 })
    expect(third.connection).toMatchObject({ host: 'notes.test', path: '/v1', attempt: 1 })
    expect(await child).toEqual({ stdout: '{"n":1}\n{"n":3}\n', stderr: '' })
    expect(lost.hits).toBe(1)
    expect(proxy.hosts).toEqual(['notes.test'])
  })

  test('gets what rules for its connects and requests say, by fetch, http and undici', async () => {
    const proxy = await start()
    proxy.onConnect({ host: 'gone.test' }).failDns()
    proxy.onConnect({ host: 'shut.test' }).refuse()
    proxy.onConnect({ host: 'notes.test' }).once().failTls('handshake_failure')
    proxy.onRequest({ path: '/own' }).respondWith(503, 'later')
    const code = `
      import { get } from 'node:http'
      import { request } from 'undici'
      const why = error => console.log((error.cause ?? error).code, (error.cause ?? error).syscall)
      await fetch('https://gone.test/').catch(why)
      await request('http://shut.test/').catch(why)
      await fetch('https://notes.test/').catch(why)
      const { statusCode, body } = await request('https://notes.test/own')
      console.log(statusCode, await body.text())
      get('http://notes.test/plain', response => response.pipe(process.stdout))`
    const { stdout } = await node(code, proxy.env())
    expect(String(stdout).split('\n')).toEqual([
      'ENOTFOUND getaddrinfo',
      'ECONNREFUSED connect',
      expect.stringMatching(/^ERR_SSL_\S*HANDSHAKE_FAILURE /),
      '503 later',
      '/plain',
    ])
  })

  test('can be terminated on the wire, and connects anew', async () => {
    const proxy = await start()
    proxy.onClientMessage({ n: 1 }).once().drop().thenTerminate()
    const code = `
      import { WebSocket } from 'ws'
      const open = n => {
        const client = new WebSocket('wss://notes.test/')
        client.on('open', () => client.send(JSON.stringify({ n })))
        client.on('message', () => process.exit())
        client.on('close', code => open(n + 1))
      }
      open(1)`
    const child = node(code, proxy.env())
    expect((await proxy.waitForClientMessage({ n: 2 })).connection.attempt).toBe(2)
    await child
  })
})

function lacks(command: string, ...args: string[]): boolean {
  return spawnSync(command, args).status !== 0
}

const lacksCurl = lacks('curl', '--version')
const lacksGit = lacks('git', '--version')
const python = '/usr/bin/python3'

describe('programs that are told of a proxy', () => {
  test.skipIf(lacksCurl)('curl, where it is installed', async () => {
    const proxy = await start()
    proxy.onRequest({ path: '/own' }).respondWith(200, 'of our own')
    const curl = async (url: string): Promise<string> => (await run('curl', ['-sS', url], options(proxy.env()))).stdout
    expect(await curl('https://notes.test/a')).toBe('/a')
    expect(await curl('http://notes.test/own')).toBe('of our own')
    expect([...proxy.requests].map(({ host, path }) => host + path)).toEqual(['notes.test/a', 'notes.test/own'])
  })

  test.skipIf(lacksGit)('git, where it is installed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'midwire-git-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const own = { HOME: folder, GIT_CONFIG_NOSYSTEM: '1', GIT_TERMINAL_PROMPT: '0' }
    const who = ['-c', 'user.name=a', '-c', 'user.email=a@test']
    await run('git', ['init', '-q', join(folder, 'work')], options(own))
    await run('git', ['-C', join(folder, 'work'), ...who, 'commit', '-q', '--allow-empty', '-m', 'first'], options(own))
    await run('git', ['clone', '-q', '--bare', join(folder, 'work'), join(folder, 'notes.git')], options(own))
    await run('git', ['-C', join(folder, 'notes.git'), 'update-server-info'], options(own))
    const server = createServer((request, response) => {
      const path = join(folder, new URL(request.url ?? '', 'http://x').pathname)
      const isFile = statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
      response.writeHead(isFile ? 200 : 404).end(isFile ? readFileSync(path) : undefined)
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const address = server.address()
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0
    const proxy = await startInterceptionProxy({ route: { 'git.test': `http://127.0.0.1:${port}` } })
    onTestFinished(() => proxy[Symbol.asyncDispose]())
    const clone = ['clone', '-q', 'https://git.test/notes.git', join(folder, 'clone')]
    expect(await run('git', clone, options({ ...proxy.env(), ...own }))).toEqual({ stdout: '', stderr: '' })
    expect(proxy.requests[0]).toMatchObject({ method: 'GET', host: 'git.test', path: '/notes.git/info/refs' })
  })

  test.skipIf(lacks(python, '-c', 'import requests'))('Python’s requests, where python3-requests is installed', async () => {
    const proxy = await start()
    proxy.onRequest({ path: '/b' }).respondWith(503, 'later')
    const code = `
import requests
for path in ['a', 'b']:
    answer = requests.get('https://notes.test/' + path)
    print(answer.status_code, answer.text)`
    const { stdout } = await run(python, ['-c', code], options(proxy.env()))
    expect(stdout).toBe('200 /a\n503 later\n')
  })

  test.skipIf(lacks(python, '-c', 'import websockets'))('Python’s websockets by URL, where python3-websockets is installed', async () => {
    const proxy = await start()
    proxy.onServerMessage({ n: 2 }).drop()
    const code = `
import asyncio, json, sys, websockets
async def main():
    async with websockets.connect(sys.argv[1]) as client:
        for n in [1, 2, 3]:
            await client.send(json.dumps({ 'n': n }))
        print(await client.recv(), await client.recv())
asyncio.run(main())`
    const child = run(python, ['-c', code, proxy.urlFor('wss://notes.test/v1')], options(proxy.env()))
    expect((await proxy.waitForClientMessage({ n: 3 })).connection.host).toBe('notes.test')
    expect((await child).stdout).toBe('{"n": 1} {"n": 3}\n')
  })
})

test('env() belongs to the test that calls it, and takes no option that cannot be meant', async () => {
  const proxy = await start()
  expect(proxy.env({ noProxy: ['direct.test'] })).toMatchObject({ HTTPS_PROXY: proxy.url, NO_PROXY: 'direct.test' })
  expect(proxy.env({ register: false })).toMatchObject({ NODE_USE_ENV_PROXY: '1' })
  expect(proxy.env({ register: false })).not.toHaveProperty('NODE_OPTIONS')
  expect(() => proxy.env({ noproxy: [] } as object)).toThrow('env(): unknown option "noproxy" — expected noProxy or register')
})

test.skipIf(process.versions.node < '24')('without the module, Node’s fetch is told of the proxy', async () => {
  const proxy = await start()
  const { stdout } = await node(`console.log(await (await fetch('https://notes.test/a')).text())`, proxy.env({ register: false }))
  expect(stdout).toBe('/a\n')
})
