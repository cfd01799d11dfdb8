import { once } from 'node:events'
import { MidwireError } from '@midwire/proxy'
import { describe, expect, onTestFinished, test } from 'vitest'
import { WebSocket as WsWebSocket } from 'ws'
import { checkReceived } from './checks.ts'
import { json } from './codec/json.ts'
import { presets } from './presets.ts'
import type { InterceptionOptions } from './settings.ts'
import { TestClient } from './testing/scripted-server.ts'
import { host, startTestBed, type TestBed, url } from './testing/test-bed.ts'

interface Note {
  id: number
}

async function bed(options: InterceptionOptions<Note> = {}): Promise<TestBed<Note>> {
  const started = await startTestBed({ codec: json<Note>(), ...options })
  onTestFinished(() => started[Symbol.asyncDispose]())
  return started
}

async function codeOf(attempt: Promise<unknown>): Promise<string> {
  const failure = (await attempt.then(
    () => undefined,
    (error: unknown) => error,
  )) as { code?: string; cause?: { code?: string } } | undefined
  return failure?.cause?.code ?? failure?.code ?? 'none'
}

function caught(fn: () => unknown): Error {
  try {
    fn()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('nothing was thrown')
}

describe('offline', () => {
  test('ends what is open without a close frame, fails what is new, and gives everything back', async () => {
    const { proxy, run } = await bed()
    await run('train tunnel', async () => {
      const client = await TestClient.open(url)
      const own = new WebSocket(url)
      await once(own, 'open')
      const ownClosed = once(own, 'close') as unknown as Promise<[CloseEvent]>
      expect(await (await fetch(`https://${host}/before`)).text()).toBe('/before')
      const result = await proxy.offline(async () => {
        expect(await client.closed).toEqual({ code: 1006, reason: '' })
        expect((await ownClosed)[0].code).toBe(1006)
        expect(await codeOf(fetch(`https://${host}/meanwhile`))).toBe('ECONNREFUSED')
        expect(await codeOf(once(new WsWebSocket(url), 'open'))).toBe('ECONNREFUSED')
        return 'done'
      })
      expect(result).toBe('done')
      expect(await (await fetch(`https://${host}/after`)).text()).toBe('/after')
      const again = await TestClient.open(url)
      again.send({ id: 1 })
      expect(await again.gets(1)).toEqual([{ id: 1 }])
      expect(proxy.hosts).toHaveLength(7)
    })
  })

  test('fails as a network without DNS does, and for some hosts only', async () => {
    const { proxy, run } = await bed()
    await run('captive portal', async () => {
      await proxy.offline(
        async () => {
          expect(await codeOf(fetch('https://other.example.com/'))).toBe('ENOTFOUND')
          expect((await fetch(`https://${host}/`)).status).toBe(200)
        },
        { hosts: 'other.example.com', error: 'dns' },
      )
    })
  })

  test('gives the network back when its function throws, and lets the error through', async () => {
    const { proxy, run } = await bed()
    await run('a test', async () => {
      const thrown = new Error('own')
      await expect(proxy.offline(() => Promise.reject(thrown))).rejects.toBe(thrown)
      expect((await fetch(`https://${host}/`)).status).toBe(200)
    })
  })

  test('goOffline ends with goOnline, with its block, and with the test', async () => {
    const { proxy, run } = await bed()
    await run('first', async () => {
      proxy.goOffline()
      // The fetch of Node 22 may connect on behalf of an earlier one, and is cut off then.
      expect(await codeOf(fetch(`https://${host}/`))).toMatch(/^(?:ECONNREFUSED|UND_ERR_SOCKET)$/)
      proxy.goOnline()
      expect((await fetch(`https://${host}/`)).status).toBe(200)
      {
        using _ = proxy.goOffline({ error: 'unreachable' })
        expect(await codeOf(fetch(`https://${host}/`))).toBe('ENETUNREACH')
      }
      expect((await fetch(`https://${host}/`)).status).toBe(200)
      proxy.goOffline()
    })
    const { errors } = await run('second', async () => {
      expect((await fetch(`https://${host}/`)).status).toBe(200)
    })
    expect(errors).toEqual([])
  })

  test('stands in the transcript, with what it did to whom', async () => {
    const { proxy, run } = await bed()
    await run('a test', async () => {
      const client = await TestClient.open(url)
      await proxy.offline(() => client.closed)
      const text = proxy.transcript()
      expect(text).toContain('network: offline (refused)')
      expect(text).toContain('the network went away')
      expect(text).toContain('network: online')
    })
  })

  test('silent keeps connections open and mute until it is over', async () => {
    const { proxy, run } = await bed()
    await run('laptop lid', async () => {
      const client = await TestClient.open(url)
      await proxy.offline(
        async () => {
          client.send({ id: 1 })
          await proxy.waitForClientMessage({ id: 1 })
          await proxy.expectNoServerMessage(undefined, { for: 30 })
          expect(client.socket.readyState).toBe(WsWebSocket.OPEN)
        },
        { end: 'silent', error: 'timeout' },
      )
      expect(await client.gets(1)).toEqual([{ id: 1 }])
    })
  })
})

describe('network', () => {
  test('slows what is open and what will be, adds up, changes and goes', async () => {
    const { proxy, run } = await bed()
    await run('lift', async () => {
      const client = await TestClient.open(url)
      using slow = proxy.network({ latency: 20 })
      proxy.network({ latency: 10 })
      const start = performance.now()
      client.send({ id: 1 })
      await client.gets(1)
      expect(performance.now() - start).toBeGreaterThanOrEqual(59)
      slow.change({ latency: 5, slice: 3 })
      expect(slow.conditions).toEqual({ latency: 5, slice: 3 })
      client.send({ id: 2 })
      await client.gets(2)
      slow.dispose()
      client.send({ id: 3 })
      expect(await client.gets(3)).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }])
      expect(proxy.transcript()).toContain('network: latency 20 ms')
      expect(proxy.transcript()).toContain('network: latency 5 ms, pieces of 3 B')
    })
  })

  test('a condition that nothing met fails no test', async () => {
    const { proxy, run } = await bed()
    const { errors } = await run('a test', async () => {
      for (const preset of Object.values(presets)) proxy.network(preset)
      // 1.6 Mbit/s down, 768 kbit/s up, a round trip of 300 ms
      expect(presets.mobile3g).toEqual({ latency: 150, bandwidth: { client: 96_000, server: 200_000 } })
      proxy.network({ ...presets.lossy, host: 'nobody.example.com' })
      await Promise.resolve()
    })
    expect(errors).toEqual([])
  })

  test('one client of several can have a network of its own', async () => {
    const { proxy, run } = await bed()
    await run('a test', async () => {
      const alice = proxy.client({ query: { id: 'alice' } })
      alice.network({ blackHole: true, from: 'server' })
      const silent = new WsWebSocket(`${url}?id=alice`)
      silent.on('error', () => {})
      const bob = await TestClient.open(`${url}?id=bob`)
      bob.send({ id: 1 })
      expect(await bob.gets(1)).toEqual([{ id: 1 }])
      await proxy.waitForConnection({ query: { id: 'alice' } })
      expect(silent.readyState).toBe(WsWebSocket.CONNECTING)
    })
  })

  test('a client whose heartbeat is not answered gives a frozen connection up, and that shows on thaw', async () => {
    const { proxy, run } = await bed()
    await run('a test', async () => {
      const client = await TestClient.open(url)
      const connection = await proxy.waitForConnection()
      let pongs = 0
      client.socket.on('pong', () => pongs++)
      client.socket.ping()
      await once(client.socket, 'pong')
      connection.freeze()
      client.socket.ping()
      await proxy.waitFor(event => event.kind === 'ping', { nth: 2 })
      expect(pongs).toBe(1)
      client.socket.terminate()
      await client.closed
      await proxy.expectNoServerMessage()
      connection.thaw()
      expect(await proxy.waitForClose({ code: 1006 })).toMatchObject({ from: 'client' })
    })
  })

  test('what a frozen connection keeps has not been received, and the transcript says why', async () => {
    const { proxy, run, control } = await bed()
    await run('a test', async scope => {
      const client = await TestClient.open(url)
      const connection = await proxy.waitForConnection()
      connection.freeze({ from: 'server' })
      client.send({ id: 1 })
      await proxy.waitForServerMessage({ id: 1 })
      connection.sendToClient({ id: 2 })
      expect(checkReceived(proxy).pass).toBe(false)
      expect(control.transcript(scope)).toMatch(/server → client .*\{ id: 1 \} +frozen\n.*Midwire → client .*\{ id: 2 \} +frozen/)
      connection.thaw()
      await client.gets(2)
      expect(checkReceived(proxy, { id: 1 }).pass).toBe(true)
      expect(checkReceived(proxy, { id: 2 }).pass).toBe(true)
      expect(control.transcript(scope)).not.toMatch(/ frozen$/m)
    })
  })

  test('each test draws for itself, whatever has run before', async () => {
    /** Which of twelve connections the condition meets. */
    const drawn = async ({ proxy, run }: Awaited<ReturnType<typeof bed>>, name: string): Promise<string> => {
      let met = ''
      await run(name, async () => {
        proxy.network({ limit: { bytes: 1, then: 'rst' }, probability: 0.5 })
        for (let n = 0; n < 12; n++)
          met += await TestClient.open(url).then(
            () => '.',
            () => 'x',
          )
      })
      return met
    }
    const first = await bed({ seed: 7 })
    const [a, b] = [await drawn(first, 'a'), await drawn(first, 'b')]
    expect(a).not.toBe(b)
    const again = await bed({ seed: 7 })
    expect(await drawn(again, 'b')).toBe(b)
    expect(await drawn(again, 'a')).toBe(a)
    expect(await drawn(await bed({ seed: 8 }), 'a')).not.toBe(a)
  })

  test('the seed is shown once chance has mattered', async () => {
    const { proxy, engine, run } = await bed()
    await run('a test', async () => {
      proxy.network({ latency: 1 })
      const client = await TestClient.open(url)
      expect(engine.isSeedUsed).toBe(false)
      proxy.network({ latency: 1, jitter: 1 })
      client.send({ id: 1 })
      await client.gets(1)
      expect(engine.isSeedUsed).toBe(true)
    })
  })
})

describe('what cannot be meant is an error at the line that wrote it', () => {
  test.for<[input: object, text: string]>([
    [{}, 'nothing is wrong with this network'],
    [{ latencyMs: 3 }, 'unknown key "latencyMs"; known are "latency"'],
    [{ latency: -1 }, '{ latency }: expected a number of ms from 0'],
    [{ bandwidth: 0 }, 'expected bytes per second, more than 0, got 0; for none at all there is { blackHole: true }'],
    [{ bandwidth: { down: 3 } }, 'unknown key "down"; known are "client", "server"'],
    [{ slice: 0 }, '{ slice }: expected a positive integer, got 0'],
    [{ slice: { delay: 1 } }, '{ slice: { size } }: expected a positive integer, got undefined'],
    [{ limit: 1.5 }, '{ limit }: expected a positive integer, got 1.5'],
    [{ limit: { bytes: 3, then: 'close' } }, "expected 'fin' or 'rst', got close"],
    [{ stall: 2 }, 'expected a probability from 0 to 1, got 2'],
    [{ blackHole: 'yes' }, 'expected true or false, got yes'],
    [{ latency: 1, from: 'server side' }, "{ from }: expected 'client' or 'server'"],
    [{ latency: 1, layer: 'tls' }, "{ layer }: expected 'tcp' or 'application'"],
    [{ latency: 1, probability: 50 }, '{ probability }: expected a probability from 0 to 1'],
    [{ latency: 1, host: 'https://a.example.com' }, "{ host }: expected a host name, 'host:port' or a RegExp"],
    [{ latency: 1, host: [] }, 'got an empty list'],
    [{ latency: 1, connection: 3 }, '{ connection }: expected a connection'],
  ])('network(%o)', async ([input, text]) => {
    const { proxy, run } = await bed()
    await run('a test', async () => {
      const error = caught(() => proxy.network(input))
      expect(error).toBeInstanceOf(MidwireError)
      expect(error.message).toContain(text)
      expect(error.stack).toContain('network-words.test.ts')
      await Promise.resolve()
    })
  })

  test('options of an outage, changes, and an outage of one client', async () => {
    const { proxy, run } = await bed()
    await run('a test', async () => {
      expect(caught(() => proxy.goOffline({ error: 'ECONNREFUSED' as 'refused' })).message).toContain("expected 'refused' or 'unreachable'")
      expect(caught(() => proxy.goOffline({ host: 'a' } as object)).message).toContain('unknown key "host"; known are "hosts"')
      expect(caught(() => proxy.client({ path: '/a' }).goOffline()).message).toContain('a TCP connect does not tell whose it is')
      using slow = proxy.network({ latency: 1 })
      expect(caught(() => slow.change({ host: 'a' } as object)).message).toContain('unknown key "host"')
      await expect(proxy.offline(3 as unknown as () => void)).rejects.toThrow('expected a function, got number')
    })
  })
})
