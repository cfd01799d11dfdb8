import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { json } from './codec/json.ts'
import { TestClient } from './testing/scripted-server.ts'
import { startTestBed, url } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'

interface Note {
  readonly n: number
}

let bed: TestBed<Note>

beforeEach(async () => {
  bed = await startTestBed({ codec: json<Note>() })
})

afterEach(async () => {
  await bed[Symbol.asyncDispose]()
})

/** Runs `fn`, with two clients on one proxy, as a test that must pass. */
async function withTwo(fn: (a: TestClient, b: TestClient) => Promise<void>): Promise<void> {
  const { errors } = await bed.run('a test', async () => {
    const [a, b] = await Promise.all([TestClient.open(`${url}?client=a`), TestClient.open(`${url}?client=b`)])
    await fn(a, b)
  })
  expect(errors).toEqual([])
}

describe('one client of several', () => {
  test('has rules that act on its connections only', () =>
    withTwo(async (a, b) => {
      const rule = bed.proxy
        .client({ query: { client: 'a' } })
        .onClientMessage({ n: 1 })
        .drop()
      for (const client of [b, a]) {
        client.send({ n: 1 })
        client.send({ n: 2 })
      }
      expect(await b.gets(2)).toEqual([{ n: 1 }, { n: 2 }])
      expect(await a.gets(1)).toEqual([{ n: 2 }])
      expect(rule.hits).toBe(1)
      expect(rule.messages[0]?.connection.query).toEqual({ client: 'a' })
    }))

  test('has waits that see only what is its own', () =>
    withTwo(async (a, b) => {
      const [ofA, ofB] = ['a', 'b'].map(client => bed.proxy.client({ query: { client } }))
      b.send({ n: 1 })
      await b.gets(1)
      await ofA!.expectNoClientMessage()
      a.send({ n: 2 })
      expect((await ofA!.waitForClientMessage()).value).toEqual({ n: 2 })
      // The same words for the other client are another wait.
      expect((await ofB!.waitForClientMessage()).value).toEqual({ n: 1 })
      b.socket.close(4001)
      await b.closed
      const closing = ofA!.waitForClose()
      a.socket.close(4002)
      expect((await closing).code).toBe(4002)
    }))

  test('lists its own connections and requests', () =>
    withTwo(async () => {
      const { proxy } = bed
      const ofB = proxy.client({ query: { client: 'b' } })
      await Promise.all(['a', 'b'].map(client => fetch(`https://notes.example.com/time?client=${client}`).then(r => r.text())))
      expect(ofB.connections.map(({ query }) => query)).toEqual([{ client: 'b' }])
      expect(ofB.connection).toBe(ofB.connections[0])
      expect(ofB.requests.map(({ query }) => query)).toEqual([{ client: 'b' }])
      expect((await ofB.waitForRequest()).query).toEqual({ client: 'b' })
      expect(proxy.connections).toHaveLength(2)
      expect(() => proxy.connection).toThrow('2 connections are open')
      expect(() => ofB.hosts).toThrow('does not tell whose it is')
    }))

  test('is told by any fact of its handshakes: headers, offered subprotocols, a predicate', () =>
    withTwo(async () => {
      const { proxy } = bed
      const third = new WebSocket(`${url}?client=c`, ['notes.v1', 'notes.v2'], { headers: { 'X-Device': 'phone' } })
      await new Promise(resolve => third.once('open', resolve))
      const ids = [
        proxy.client({ headers: { 'X-DEVICE': /^ph/ } }),
        proxy.client({ protocol: 'notes.v2' }),
        proxy.client(({ query, protocol }) => query['client'] === 'c' && protocol.length === 2),
        proxy.client({ host: 'notes.example.com' }).client({ url: /client=c$/ }),
      ].map(client => client.connections.map(({ id }) => id))
      expect(new Set(ids.map(String))).toEqual(new Set(['3']))
    }))

  test('has rules on its handshakes only', async () => {
    const { errors } = await bed.run('a test', async () => {
      bed.proxy
        .client({ query: { client: 'a' } })
        .onConnect()
        .respondWith(503)
      await expect(TestClient.open(`${url}?client=a`)).rejects.toThrow('503')
      await TestClient.open(`${url}?client=b`)
    })
    expect(errors).toEqual([])
  })

  test('can be refused TCP connects where its host tells it, and else not', async () => {
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.client({ host: 'other.example.com' }).onConnect().refuse()
      await expect(TestClient.open('wss://other.example.com/')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      await TestClient.open(url)
      expect(() =>
        bed.proxy
          .client({ query: { client: 'a' } })
          .onConnect()
          .refuse(),
      ).toThrow('client({ query }).onConnect().refuse() decides before a byte is read')
      bed.proxy.client({ host: 'notes.example.com' }).onConnect().optional().refuse()
    })
    expect(errors.map(({ message }) => message)).toEqual([expect.stringContaining('onConnect(…)')])
  })

  test('is named in failures, and in the labels of its rules', async () => {
    const { thrown, errors } = await bed.runFailing('a test', async () => {
      await TestClient.open(`${url}?client=a`)
      const client = bed.proxy.client({ query: { client: 'b' } })
      client.onClientMessage({ n: 1 }).drop()
      await client.waitForClientMessage({ n: 1 }, { timeout: 1 })
    })
    expect(errors).toEqual([])
    expect(thrown.message).toMatch(/^no client message of client\(\{ query: \{ client: "b" \} \}\) matched \{ n: 1 \} within \d+ ms\n/)
    expect(thrown.message).toMatch(/client\(\{ query: \{ client: "b" \} \}\)\.onClientMessage \(client-view\.test\.ts:\d+\) never matched/)
  })
})

test('a client that nothing tells from others, or no handshake can be, is an error', async () => {
  await bed.run('a test', async () => {
    const { proxy } = bed
    expect(() => proxy.client({})).toThrow('client(match): expected what tells')
    // @ts-expect-error a match is needed
    expect(() => proxy.client()).toThrow('client(match): expected what tells')
    // @ts-expect-error no such key
    expect(() => proxy.client({ hots: 'a' })).toThrow('client(match): unknown key "hots"')
    expect(() => proxy.client({ host: 'a.test' }).client({ host: 'b.test' })).toThrow('can never be true')
  })
})
