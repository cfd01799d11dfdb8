import { once } from 'node:events'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { echoServer, type EchoServer } from '../../test/echo-server.ts'
import type { EngineFailure, ProxyEngine, ProxyOptions } from '../engine.ts'
import { startProxy } from '../proxy.ts'
import { createMatch, type MatchInput } from '../rule/match.ts'
import type { ConnectAction, HandshakeAction, HandshakeRule } from '../rule/rule.ts'
import type { RuleRun } from '../rule/rule-run.ts'

interface Wire {
  readonly proxy: ProxyEngine
  readonly server: EchoServer
  readonly failures: EngineFailure[]
  when(match: MatchInput, action: HandshakeAction, times?: number): RuleRun<HandshakeRule>
  whenConnecting(match: MatchInput, action: ConnectAction): void
}

const url = 'wss://api.example.com/socket?v=6&v=7&x=%20'
const at = { file: import.meta.url, line: 1, column: 1 }

async function wire(options: ProxyOptions = {}): Promise<Wire> {
  const server = await echoServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const failures: EngineFailure[] = []
  const proxy = await startProxy({
    adoptUnscoped: true,
    route: { 'api.example.com': `http://127.0.0.1:${server.port}` },
    onFailure: failure => failures.push(failure),
    ...options,
  })
  onTestFinished(() => proxy.close())
  const base = { scope: proxy.root, at, start: 'onConnect', optional: false }
  return {
    proxy,
    server,
    failures,
    when: (match, action, times) =>
      proxy.rules.add({ ...base, ...(times === undefined ? {} : { times }), on: 'handshake', match: createMatch(match), action }),
    whenConnecting: (match, action) => void proxy.rules.add({ ...base, on: 'connect', match: createMatch(match), action }),
  }
}

/** How a `ws` client's attempt comes out. */
async function attempt(target = url, protocols?: string[]): Promise<string> {
  const socket = new WebSocket(target, protocols)
  onTestFinished(() => void socket.terminate())
  return new Promise(resolve => {
    socket.on('open', () => resolve(`open ${socket.protocol}`.trim()))
    socket.on('unexpected-response', (_, response) => {
      let body = ''
      response.on('data', chunk => (body += String(chunk))).on('end', () => resolve(`${response.statusCode} ${body}`))
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(`error ${error.code ?? error.message}`))
  })
}

describe('TCP phase: decided before a byte is read', () => {
  test.each([
    [{ kind: 'refuse' }, 'error ECONNREFUSED'],
    [{ kind: 'failDns' }, 'error ENOTFOUND'],
  ] as const)('%j', async (action, outcome) => {
    const { whenConnecting, server } = await wire()
    whenConnecting({ host: 'api.example.com' }, action)
    expect(await attempt()).toBe(outcome)
    expect(server.handshakes).toEqual([])
  })

  test('timeout: the client waits until its own patience ends', async () => {
    const { whenConnecting } = await wire()
    whenConnecting({ host: 'api.example.com', port: 443 }, { kind: 'timeout' })
    const socket = new WebSocket(url, { handshakeTimeout: 20 })
    expect((await once(socket, 'error'))[0]).toMatchObject({ message: 'Opening handshake has timed out' })
  })

  test('a rule for another host changes nothing', async () => {
    const { whenConnecting } = await wire()
    whenConnecting({ host: 'other.example.com' }, { kind: 'refuse' })
    expect(await attempt()).toBe('open')
  })
})

describe('handshake phase: decided when the upgrade request has been read (T48)', () => {
  test('respondWith answers in upstream’s stead, which never hears of it', async () => {
    const { when, server } = await wire()
    when(undefined, { kind: 'respondWith', status: 503, body: Buffer.from('busy'), headers: ['Content-Length', '4', 'X-Why', 'load'] }, 1)
    expect(await attempt()).toBe('503 busy')
    expect(server.handshakes).toEqual([])
    expect(await attempt()).toBe('open')
  })

  test('hold hangs until it is released, and is seen meanwhile', async () => {
    const { when, proxy, server } = await wire()
    const { rule } = when({ query: { v: ['6', '7'] } }, { kind: 'hold' })
    const opening = attempt()
    const held = await new Promise<ReturnType<ProxyEngine['heldBy']>>(resolve => {
      const look = (): void => void (proxy.heldBy(rule).length > 0 && resolve(proxy.heldBy(rule)))
      proxy.journal.follow(look)
      look()
    })
    expect(held).toMatchObject([{ url, state: 'opening', path: '/socket' }])
    expect(server.handshakes).toEqual([])
    for (const connection of held) proxy.releaseHandshake(connection)
    expect(await opening).toBe('open')
    expect(proxy.heldBy(rule)).toEqual([])
  })

  test('a held handshake that its client gives up is not held any more, and upstream never hears of it', async () => {
    const { when, proxy, server } = await wire()
    const { rule } = when(undefined, { kind: 'hold' })
    const socket = new WebSocket(url, { handshakeTimeout: 50 })
    await once(socket, 'error')
    await new Promise<void>(resolve => {
      const look = (): void => void (proxy.connections[0]?.state === 'closed' && proxy.heldBy(rule).length === 0 && resolve())
      proxy.journal.follow(look)
      look()
    })
    expect(server.handshakes).toEqual([])
  })

  test('delay opens later, with nothing lost', async () => {
    const { when } = await wire()
    when(undefined, { kind: 'delay', ms: 5 })
    expect(await attempt()).toBe('open')
  })

  test('reset is an RST after the request was read', async () => {
    const { when, server } = await wire()
    when(undefined, { kind: 'reset' })
    expect(await attempt()).toBe('error ECONNRESET')
    expect(server.handshakes).toEqual([])
  })

  test('redirect leads to another upstream, which is asked under its own name', async () => {
    const { when, server, proxy } = await wire()
    const other = await echoServer()
    onTestFinished(() => other[Symbol.asyncDispose]())
    when(undefined, { kind: 'redirect', url: `ws://127.0.0.1:${other.port}` })
    expect(await attempt()).toBe('open')
    expect(server.handshakes).toEqual([])
    expect(other.handshakes).toMatchObject([{ url: '/socket?v=6&v=7&x=%20', headers: { host: `127.0.0.1:${other.port}` } }])
    expect(proxy.connections).toMatchObject([{ host: 'api.example.com', url }])
  })

  test('rewrite changes what upstream sees, and leaves alone what it does not touch', async () => {
    const { when, server, proxy } = await wire()
    when(undefined, {
      kind: 'rewrite',
      fn: request => {
        request.headers['x-added'] = '1'
        request.headers['sec-websocket-version'] = '13'
      },
    })
    expect(await attempt()).toBe('open')
    expect(server.handshakes).toMatchObject([{ url: '/socket?v=6&v=7&x=%20', headers: { 'x-added': '1', host: 'api.example.com' } }])
    expect(proxy.connections).toMatchObject([{ url }])
  })

  test('rewrite can change, add and take out query parameters', async () => {
    const { when, server } = await wire()
    when(undefined, {
      kind: 'rewrite',
      fn: request => {
        expect(request.query).toEqual({ v: ['6', '7'], x: ' ' })
        request.query['resume'] = 'bogus'
        request.query['v'] = undefined
      },
    })
    expect(await attempt()).toBe('open')
    expect(server.handshakes).toMatchObject([{ url: '/socket?x=+&resume=bogus' }])
  })

  test.each([
    [
      'throws',
      () => {
        throw new Error('oops')
      },
      /oops/,
    ],
    [
      'makes a request-target that no request can have',
      (request: { path: string }) => {
        request.path = 'no slash'
      },
      /begins with \//,
    ],
  ])('a rewrite that %s fails its test, and the handshake goes on as it was', async (_, fn, message) => {
    const { when, server, failures } = await wire()
    when(undefined, { kind: 'rewrite', fn })
    expect(await attempt()).toBe('open')
    expect(server.handshakes).toMatchObject([{ url: '/socket?v=6&v=7&x=%20' }])
    expect(failures).toMatchObject([{ error: { code: 'MIDWIRE_RULE_FAILED', message: expect.stringMatching(message) } }])
  })

  test('a match that throws fails its test, and the handshake goes on', async () => {
    const { when, failures } = await wire()
    when(
      () => {
        throw new Error('bad predicate')
      },
      { kind: 'reset' },
    )
    expect(await attempt()).toBe('open')
    expect(failures).toMatchObject([{ error: { code: 'MIDWIRE_RULE_FAILED', message: expect.stringContaining('bad predicate') } }])
  })

  test('the match sees host, path, query, headers, subprotocols and the attempt (T50)', async () => {
    const { when } = await wire()
    const seen: unknown[] = []
    when((facts: object) => void seen.push(facts), { kind: 'reset' })
    await attempt(url, ['a', 'b'])
    await attempt(url)
    await attempt('wss://api.example.com/other')
    expect(seen).toMatchObject([
      { host: 'api.example.com', port: 443, path: '/socket', url, attempt: 1, protocol: ['a', 'b'], headers: { host: 'api.example.com' } },
      { attempt: 2, protocol: [] },
      { attempt: 3, path: '/other' },
    ])
  })
})

describe('accept: Midwire is the server', () => {
  test('no upstream is dialled; the first messages arrive, and the close is answered', async () => {
    const { when, server } = await wire({
      upstream: 'none',
      route: {},
      codec: {
        name: 'text',
        stateless: true,
        decode: bytes => ({ messages: [{ value: bytes, bytes }], rest: bytes.subarray(0, 0) }),
        encode: (value: unknown) => String(value),
      },
    })
    when({ host: 'nowhere.example.com' }, { kind: 'accept', messages: ['one', 'two'] })
    const socket = new WebSocket('wss://nowhere.example.com/', ['a', 'b'])
    const messages: string[] = []
    const both = new Promise<void>(resolve => {
      socket.on('message', data => {
        if (messages.push(String(data)) === 2) resolve()
      })
    })
    await both
    expect(messages).toEqual(['one', 'two'])
    expect(socket.protocol).toBe('a')
    socket.ping('are you there')
    expect(String((await once(socket, 'pong'))[0])).toBe('are you there')
    socket.close(4000, 'done')
    expect((await once(socket, 'close'))[0]).toBe(4000)
    expect(server.handshakes).toEqual([])
  })
})

test('a redirect to nowhere is a reset, and the journal says why', async () => {
  const { when, proxy, server } = await wire()
  await server[Symbol.asyncDispose]()
  when(undefined, { kind: 'redirect', url: `ws://127.0.0.1:${server.port}` })
  expect(await attempt()).toBe('error ECONNRESET')
  expect([...proxy.journal.read()]).toContainEqual(expect.objectContaining({ kind: 'note', text: expect.stringContaining('ECONNREFUSED') }))
})
