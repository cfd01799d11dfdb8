import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { json } from './codec/json.ts'
import { TestClient } from './testing/scripted-server.ts'
import { startTestBed, url } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'

let bed: TestBed<{ readonly n: number }>

beforeEach(async () => {
  bed = await startTestBed({ codec: json<{ readonly n: number }>() })
})

afterEach(async () => {
  await bed[Symbol.asyncDispose]()
})

/** Runs `fn` with a client of a real server, as a test that must pass. */
async function passes(fn: (client: TestClient) => Promise<void>): Promise<void> {
  const { errors } = await bed.run('a test', async () => fn(await TestClient.open(url)))
  expect(errors).toEqual([])
}

async function pongOf(client: TestClient): Promise<string> {
  return String((await once(client.socket, 'pong'))[0])
}

describe('a rule on pings and pongs', () => {
  test('drops them', () =>
    passes(async client => {
      const dropped = bed.proxy.onPing({ from: 'client' }).nth(1).drop()
      client.socket.ping('one')
      client.socket.ping('two')
      expect(await pongOf(client)).toBe('two')
      expect(dropped.hits).toBe(1)
    }))

  test('observes and delays them', () =>
    passes(async client => {
      const seen: string[] = []
      bed.proxy.onPing().observe(({ payload }) => seen.push(Buffer.from(payload).toString()))
      const delayed = bed.proxy.onPong({ from: 'server' }).delay(20)
      const began = performance.now()
      client.socket.ping('beat')
      expect(await pongOf(client)).toBe('beat')
      expect(performance.now() - began).toBeGreaterThanOrEqual(15)
      await delayed.waitForHit()
      expect(seen).toEqual(['beat'])
    }))

  test('holds them until it lets them go', () =>
    passes(async client => {
      const held = bed.proxy.onPong().hold()
      client.socket.ping('beat')
      const pong = pongOf(client)
      const frame = await held.next()
      expect(frame).toMatchObject({ kind: 'pong', from: 'server' })
      client.send({ n: 1 })
      await client.gets(1)
      expect(held.held).toEqual([frame])
      held.release()
      expect(await pong).toBe('beat')
      expect(held.held).toEqual([])
    }))

  test('acts on one client of several', () =>
    passes(async client => {
      const other = await TestClient.open(`${url}?client=b`)
      bed.proxy
        .client({ query: { client: 'b' } })
        .onPing()
        .drop()
      other.socket.ping('lost')
      client.socket.ping('kept')
      expect(await pongOf(client)).toBe('kept')
      other.send({ n: 1 })
      await other.gets(1)
    }))
})

describe('a rule on close frames', () => {
  test('sends another code and reason', () =>
    passes(async client => {
      bed.proxy.onClose({ from: 'server', code: 4000 }).replace(4001, 'other')
      for (const socket of bed.server.sockets) socket.close(4000, 'one')
      expect(await client.closed).toEqual({ code: 4001, reason: 'other' })
      // The journal has what the server sent.
      expect((await bed.proxy.waitForClose({ from: 'server' })).code).toBe(4000)
    }))

  test('drops them, so that the receiver sees an end without one', () =>
    passes(async client => {
      bed.proxy.onClose({ from: 'server' }).drop()
      for (const socket of bed.server.sockets) {
        socket.close(1000)
        socket.terminate()
      }
      expect((await client.closed).code).toBe(1006)
    }))

  test('holds them', () =>
    passes(async client => {
      const held = bed.proxy.onClose({ from: 'server', reason: /^bye/ }).hold()
      for (const socket of bed.server.sockets) socket.close(4000, 'bye now')
      expect(await held.next()).toMatchObject({ kind: 'close', code: 4000, reason: 'bye now' })
      expect(client.socket.readyState).toBe(client.socket.OPEN)
      held.releaseAll()
      expect(await client.closed).toEqual({ code: 4000, reason: 'bye now' })
    }))
})

test('what cannot be meant is an error at its line', async () => {
  await bed.run('a test', async () => {
    const { proxy } = bed
    // @ts-expect-error no such side
    expect(() => proxy.onPing({ from: 'upstream' })).toThrow("onPing({ from }): expected 'client' or 'server', got upstream")
    // @ts-expect-error pings have no code
    expect(() => proxy.onPing({ code: 1000 })).toThrow('onPing(match): unknown key "code"')
    expect(() => proxy.onClose().optional().replace(1006)).toThrow('replace(code, reason): ')
    expect(() => proxy.onClose().optional().replace(undefined, 'why')).toThrow('a reason needs a code')
    // @ts-expect-error a number is needed
    expect(() => proxy.onPong().delay('1')).toThrow('delay(ms): expected a number of ms')
  })
})
