import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { BlockList, connect, createServer, Socket } from 'node:net'
import type { NetConnectOpts } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Scope } from '../scope.ts'
import { Authority } from '../tls/authority.ts'
import type { CaptureTarget, Inbound } from './inbound.ts'
import { realm } from './realm.ts'
import { install } from './reroute.ts'
import { describeError } from './testing/describe-error.ts'
import { Relay } from './testing/relay.ts'
import { deadPort, httpsServer, lookupOf, realAuthority, TestServer } from './testing/servers.ts'

let echo: TestServer
let secure: TestServer
let dead: number
beforeAll(async () => {
  echo = await TestServer.listen(createServer({ allowHalfOpen: true }, socket => socket.pipe(socket)))
  secure = await httpsServer('localhost')
  dead = await deadPort()
})
afterAll(async () => {
  await echo[Symbol.asyncDispose]()
  await secure[Symbol.asyncDispose]()
})

async function received(socket: Socket): Promise<string> {
  let all = ''
  for await (const chunk of socket) all += String(chunk)
  return all
}

/** What happens to a socket until it is connected or closed, and what it shows then. */
async function courseOf(options: NetConnectOpts): Promise<unknown[]> {
  const socket = new Socket()
  const seen: unknown[] = []
  for (const event of [
    'lookup',
    'connectionAttempt',
    'connectionAttemptFailed',
    'connectionAttemptTimeout',
    'connect',
    'ready',
    'error',
    'close',
  ]) {
    socket.on(event, (...args: unknown[]) => seen.push([event, ...args.map(arg => (arg instanceof Error ? describeError(arg) : arg))]))
  }
  socket.connect(options)
  seen.push(['connect() returned', socket.connecting, socket.pending, socket.readyState])
  await new Promise(resolve => socket.once('ready', resolve).once('close', resolve))
  seen.push([
    socket.remoteAddress,
    socket.remotePort,
    socket.remoteFamily,
    socket.autoSelectFamilyAttemptedAddresses,
    socket.readyState,
    Reflect.get(socket, '_host'),
  ])
  if (!socket.destroyed) await once(socket.destroy(), 'close')
  return seen
}

describe('a client’s socket shows what it would without us', () => {
  test.each<[string, () => NetConnectOpts]>([
    ['to an address', () => ({ host: '127.0.0.1', port: echo.port })],
    ['to a name', () => ({ host: 'name.test', port: echo.port, lookup: lookupOf('127.0.0.1') })],
    ['to a port alone', () => ({ port: echo.port, lookup: lookupOf('127.0.0.1') })],
    ['to a port in a string', () => ({ host: '127.0.0.1', port: String(echo.port) }) as unknown as NetConnectOpts],
    [
      'to a name with several addresses, of which the second answers',
      () => ({ host: 'name.test', port: echo.port, lookup: lookupOf('::1', '127.0.0.1') }),
    ],
    [
      'to a name with several addresses, of which none answers',
      () => ({ host: 'name.test', port: dead, lookup: lookupOf('::1', '127.0.0.1') }),
    ],
    [
      'to a name, one address at a time',
      () => ({ host: 'name.test', port: echo.port, lookup: lookupOf('127.0.0.1', '::1'), autoSelectFamily: false }),
    ],
    ['to an address that refuses', () => ({ host: '127.0.0.1', port: dead })],
    ['from an address of its own', () => ({ host: '127.0.0.1', port: dead, localAddress: '127.0.0.1' })],
    ['from an address that it has not', () => ({ host: '127.0.0.1', port: echo.port, localAddress: '192.0.2.1' })],
  ])('%s', async (_where, options) => {
    const expected = await courseOf(options())
    await using relay = await Relay.start()
    expect(await courseOf(options())).toEqual(expected)
    expect(relay.inbounds.length).toBe(1)
  })

  test('to an address that its block list forbids, or allows', async () => {
    const blockList = new BlockList()
    blockList.addAddress('127.0.0.1')
    const refused = async (): Promise<unknown> => {
      const socket = new Socket({ blockList }).connect(echo.port, '127.0.0.1')
      const [error] = (await once(socket, 'error')) as [Error]
      return describeError(error)
    }
    const expected = await refused()
    expect(expected).toMatchObject({ code: 'ERR_IP_BLOCKED' })
    await using _relay = await Relay.start()
    expect(await refused()).toEqual(expected)
    await using six = await TestServer.listen(createServer(), '::1')
    const socket = new Socket({ blockList }).connect(six.port, '::1')
    await once(socket, 'connect')
    expect(socket.remoteAddress).toBe('::1')
    socket.destroy()
  })

  test.each([
    ['over TLS', () => connectTls({ host: 'localhost', port: secure.port, lookup: lookupOf('127.0.0.1'), ca: realAuthority.certificate })],
    [
      'over TLS on its own socket',
      () => connectTls({ socket: connect(secure.port, '127.0.0.1'), servername: 'localhost', ca: realAuthority.certificate }),
    ],
  ])('%s', async (_how, open) => {
    await using relay = await Relay.start()
    const socket = open()
    await once(socket, 'secureConnect')
    expect([socket.remoteAddress, socket.remotePort, socket.remoteFamily]).toEqual(['127.0.0.1', secure.port, 'IPv4'])
    expect(socket.authorized).toBe(true)
    socket.destroy()
    expect(relay.inbounds.length).toBe(1)
  })
})

test.each<[string, unknown[]]>([
  ['no port', [{}]],
  ['a port that is none', [{ port: 'x' }]],
  ['a port that is too high', [{ port: 70_000 }]],
  ['a host that is no string', [{ port: 1, host: 7 }]],
  ['a local address that is none', [{ port: 1, localAddress: 'nonsense' }]],
  ['a local port that is none', [{ port: 1, localPort: 'x' }]],
  ['a lookup that is none', [{ port: 1, host: 'name.test', lookup: 7 }]],
  ['a family choice that is none', [{ port: 1, autoSelectFamily: 'yes' }]],
  ['a time for each attempt that is none', [{ port: 1, autoSelectFamilyAttemptTimeout: 0 }]],
])('%s is the same error at the call', async (_what, args) => {
  const thrown = (): unknown => {
    try {
      new Socket()
        .connect(...(args as [NetConnectOpts]))
        .on('error', () => {})
        .destroy()
      return 'nothing'
    } catch (error) {
      return describeError(error)
    }
  }
  const expected = thrown()
  expect(expected).toHaveProperty('code')
  await using relay = await Relay.start()
  expect(thrown()).toEqual(expected)
  expect(relay.inbounds).toEqual([])
})

describe('while it is connecting, a client may', () => {
  let relay: Relay
  beforeEach(async () => {
    relay = await Relay.start()
  })
  afterEach(() => relay[Symbol.asyncDispose]())

  test('write: it arrives, once and in order', async () => {
    const socket = connect({ port: echo.port, host: '127.0.0.1' })
    socket.write('one ')
    socket.write('two ')
    expect(socket.bytesWritten).toBe(8)
    socket.end('three')
    await expect(received(socket)).resolves.toBe('one two three')
  })

  test('end', async () => {
    const socket = connect({ port: echo.port, host: '127.0.0.1', allowHalfOpen: true })
    socket.end()
    await expect(received(socket)).resolves.toBe('')
  })

  test('set options, and let the process end', async () => {
    const socket = connect({ port: echo.port, host: '127.0.0.1' })
    socket.setNoDelay(true).setKeepAlive(true, 1000).unref().ref().setTimeout(60_000)
    await once(socket, 'connect')
    expect(socket.timeout).toBe(60_000)
    socket.destroy()
  })

  test('be timed out by its own timer', async () => {
    const socket = connect({ port: 1, host: 'quiet.test', lookup: () => {}, timeout: 20 })
    await once(socket, 'timeout')
    expect(socket.connecting).toBe(true)
    socket.destroy()
  })

  test('give up: nothing is connected, and the target is told', async () => {
    const socket = connect({ port: echo.port, host: 'name.test', lookup: () => {} })
    const events: string[] = []
    for (const event of ['connect', 'error']) socket.on(event, () => events.push(event))
    socket.destroy()
    await once(socket, 'close')
    expect(events).toEqual([])
    expect(relay.inbounds[0]?.gone.aborted).toBe(true)
    expect(String(relay.inbounds[0]?.gone.reason)).toBe(`Error: the client gave up its connection to name.test:${echo.port}`)
  })
})

test('a client connects from the address and port it asks for', async () => {
  await using _relay = await Relay.start()
  const localPort = await deadPort()
  const peer = once(echo.server, 'connection') as Promise<[Socket]>
  const socket = connect({ port: echo.port, host: '127.0.0.1', localAddress: '127.0.0.1', localPort })
  const [{ remotePort }] = await peer
  expect(remotePort).toBe(localPort)
  socket.destroy()
})

test('a socket that was used up can be connected again', async () => {
  await using relay = await Relay.start()
  const socket = new Socket()
  for (const text of ['first', 'second']) {
    socket.connect(echo.port, '127.0.0.1')
    socket.end(text)
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    expect(chunk.toString()).toBe(text)
    await once(socket, 'close')
  }
  expect(relay.inbounds.length).toBe(2)
})

test('an IPC path is never captured', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ipc-'))
  const server = createServer(socket => socket.end('local')).listen(join(folder, 'socket'))
  await once(server, 'listening')
  await using relay = await Relay.start()
  for (const socket of [connect(join(folder, 'socket')), connect({ path: join(folder, 'socket') })]) {
    await expect(received(socket)).resolves.toBe('local')
  }
  expect(relay.inbounds).toEqual([])
  server.close()
  await rm(folder, { recursive: true })
})

test('an aborted signal ends a connection that is being opened', async () => {
  await using relay = await Relay.start()
  const controller = new AbortController()
  const socket = new Socket({ signal: controller.signal }).connect({ port: 1, host: 'name.test', lookup: () => {} })
  controller.abort()
  const [error] = (await once(socket, 'error')) as [Error]
  expect(error.name).toBe('AbortError')
  await once(socket, 'close')
  expect(relay.inbounds[0]?.gone.aborted).toBe(true)
})

/** A target whose every move a test makes itself. */
class Puppeteer implements CaptureTarget {
  readonly inbounds: Inbound[] = []
  readonly #scope: Scope | undefined
  readonly #onOpen: (inbound: Inbound) => void

  constructor(onOpen: (inbound: Inbound) => void = () => {}, scope?: Scope) {
    this.#onOpen = onOpen
    this.#scope = scope
  }

  owns(scope: Scope): boolean {
    return !this.#scope || this.#scope.contains(scope)
  }

  open(inbound: Inbound): void {
    this.inbounds.push(inbound)
    this.#onOpen(inbound)
  }
}

async function withTarget(target: CaptureTarget): Promise<AsyncDisposable> {
  const installation = await install({ authority: Authority.create(), target })
  return { [Symbol.asyncDispose]: () => installation.uninstall() }
}

describe('a target', () => {
  test('that fails a connection at once gives the client that very error, when it listens', async () => {
    const error = new Error('no')
    await using _installed = await withTarget(new Puppeteer(inbound => inbound.fail(error)))
    const socket = connect(echo.port, '127.0.0.1')
    const [seen] = (await once(socket, 'error')) as [Error]
    expect(seen).toBe(error)
  })

  test('that fails a connection at once fails TLS in the same way', async () => {
    const error = new Error('no')
    await using _installed = await withTarget(new Puppeteer(inbound => inbound.fail(error)))
    const socket = connectTls({ host: 'localhost', port: secure.port, servername: 'localhost', ca: realAuthority.certificate })
    const [seen] = (await once(socket, 'error')) as [Error]
    expect(seen).toBe(error)
  })

  test('can accept without dialling, and the name need not exist', async () => {
    await using _installed = await withTarget(new Puppeteer(inbound => void inbound.accept().then(end => end.end('scripted'))))
    const socket = connect(443, 'main.realtime.example.com')
    await expect(received(socket)).resolves.toBe('scripted')
  })

  test('can dial elsewhere, unseen', async () => {
    const routed = async (inbound: Inbound): Promise<void> => {
      const upstream = await inbound.dial({ host: '127.0.0.1', port: echo.port })
      const end = await inbound.accept(upstream)
      end.pipe(upstream).pipe(end)
    }
    await using _installed = await withTarget(new Puppeteer(inbound => void routed(inbound)))
    const socket = connect(443, 'main.realtime.example.com')
    const seen: unknown[] = []
    for (const event of ['lookup', 'connectionAttempt']) socket.on(event, () => seen.push(event))
    socket.end('hello')
    await expect(received(socket)).resolves.toBe('hello')
    expect(seen).toEqual([])
  })

  test('accepts once', async () => {
    const target = new Puppeteer()
    await using _installed = await withTarget(target)
    const socket = connect(1, '127.0.0.1')
    const [inbound] = target.inbounds
    const end = await inbound?.accept()
    await expect(inbound?.accept()).rejects.toThrow('accepted before')
    end?.destroy()
    socket.destroy()
  })

  test('is told where a connection of a test was opened', async () => {
    const target = new Puppeteer(inbound => inbound.fail(new Error('no')))
    await using _installed = await withTarget(target)
    realm().scopes.run(new Scope('a test'), () => connect(1, '127.0.0.1').on('error', () => {}))
    connect(1, '127.0.0.1').on('error', () => {})
    const [scoped, unscoped] = target.inbounds
    expect(scoped?.scope?.name).toBe('a test')
    expect(scoped?.stack).toContain('capture.test.ts')
    expect(unscoped?.scope).toBeUndefined()
  })

  test('takes the connections of its own scopes, ended ones included; the newest takes those of none', async () => {
    const file = new Scope('file')
    const other = new Scope('other file')
    const [older, newer] = [
      new Puppeteer(inbound => inbound.fail(new Error('no')), file),
      new Puppeteer(inbound => inbound.fail(new Error('no')), other),
    ]
    await using _older = await withTarget(older)
    await using _newer = await withTarget(newer)
    const ended = new Scope('test', file)
    ended.end()
    const open = (port: number): void => void connect(port, '127.0.0.1').on('error', () => {})
    realm().scopes.run(file, () => open(1))
    realm().scopes.run(ended, () => open(2))
    realm().scopes.run(other, () => open(3))
    open(4)
    const ports = (target: Puppeteer): number[] => target.inbounds.map(({ destination }) => destination.port)
    expect(ports(older)).toEqual([1, 2])
    expect(ports(newer)).toEqual([3, 4])
  })

  test('is left alone once it is uninstalled, and what it had lives on', async () => {
    const relay = await Relay.start()
    const socket = connect(echo.port, '127.0.0.1')
    await once(socket, 'connect')
    await relay.uninstall()
    socket.end('still here')
    await expect(received(socket)).resolves.toBe('still here')
    const direct = connect(echo.port, '127.0.0.1')
    await once(direct, 'connect')
    direct.destroy()
    expect(relay.inbounds.length).toBe(1)
    await relay[Symbol.asyncDispose]()
  })
})

test('a stranger at the loopback port is turned away', async () => {
  const target = new Puppeteer()
  await using _installed = await withTarget(target)
  const socket = connect(1, '127.0.0.1')
  const end = await target.inbounds[0]?.accept()
  const stranger = connect(end?.localPort ?? 0, '127.0.0.1')
  const own = await target.inbounds[1]?.dial()
  await once(own?.resume() ?? stranger, 'end')
  expect(own?.bytesRead).toBe(0)
  for (const each of [socket, stranger, end]) each?.destroy()
})
