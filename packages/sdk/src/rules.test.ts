import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { json } from './codec/json.ts'
import { TestClient } from './testing/scripted-server.ts'
import { startTestBed, url } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'

interface Note {
  readonly n: number
  readonly text?: string
  readonly deep?: { readonly a?: number; readonly b?: number }
}

let bed: TestBed<Note>

beforeEach(async () => {
  bed = await startTestBed({ codec: json<Note>() })
})

afterEach(async () => {
  await bed[Symbol.asyncDispose]()
})

/** Runs `fn` as a test that must pass. */
async function passes(fn: () => Promise<void>): Promise<void> {
  const { errors } = await bed.run('a test', fn)
  expect(errors).toEqual([])
}

describe('a message rule', () => {
  test('observes, patches, replaces, delays and handles', () =>
    passes(async () => {
      const { proxy } = bed
      const seen: number[] = []
      proxy.onMessage().observe(({ n }) => void seen.push(n))
      // It returns something that is no promise.
      proxy.onMessage().observe(({ n }) => expect(n).not.toBe(0))
      proxy.onClientMessage({ n: 1 }).patch({ text: 'patched', deep: { b: 2 } })
      proxy.onClientMessage({ n: 2 }).patch(note => ({ ...note, text: 'by function' }))
      proxy.onServerMessage({ n: 3 }).replace({ n: 30 })
      proxy.onServerMessage({ n: 4 }).replace(({ n }) => ({ n: n * 10 }))
      proxy.onServerMessage({ n: 5 }).delay(1)
      proxy.onClientMessage({ n: 6 }).handle(() => Promise.resolve({ kind: 'replace', value: { n: 60 } }))
      proxy.onClientMessage({ n: 7 }).handle(() => ({ kind: 'drop' }))
      const client = await TestClient.open(url)
      client.send({ n: 1, deep: { a: 1 } })
      for (let n = 2; n <= 8; n++) client.send({ n })
      expect(await client.gets(7)).toEqual([
        { n: 1, deep: { a: 1, b: 2 }, text: 'patched' },
        { n: 2, text: 'by function' },
        { n: 30 },
        { n: 40 },
        { n: 5 },
        { n: 60 },
        { n: 8 },
      ])
      expect(seen.filter(n => n === 7)).toHaveLength(1)
      expect(seen.filter(n => n === 8)).toHaveLength(2)
    }))

  test('acts on the k-th match, so often, on that connection', () =>
    passes(async () => {
      const { proxy } = bed
      const [one, two] = [await TestClient.open(url), await TestClient.open(url)]
      const connection = await proxy.waitForConnection(undefined, { nth: 2 })
      proxy.onServerMessage({ text: 'nth' }).nth(2).drop()
      proxy.onServerMessage({ text: 'times' }).times(2).drop()
      proxy.onServerMessage({ text: 'on' }).on(connection).drop()
      for (const text of ['nth', 'times', 'on']) for (let n = 1; n <= 3; n++) one.send({ n, text })
      expect(await one.gets(6)).toEqual([
        { n: 1, text: 'nth' },
        { n: 3, text: 'nth' },
        { n: 3, text: 'times' },
        { n: 1, text: 'on' },
        { n: 2, text: 'on' },
        { n: 3, text: 'on' },
      ])
      two.send({ n: 1, text: 'on' })
      two.send({ n: 2 })
      expect(await two.gets(1)).toEqual([{ n: 2 }])
    }))

  test('is followed in the same turn by what was chained to its verb', () =>
    passes(async () => {
      const { proxy } = bed
      const handle = proxy.onClientMessage({ n: 1 }).drop().thenSendToClient({ n: 10 }).thenSendToServer({ n: 11 })
      proxy.onClientMessage({ n: 2 }).drop().thenClose(4001, 'told to')
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      expect(await client.gets(2)).toEqual([{ n: 10 }, { n: 11 }])
      expect((await handle.waitForHit()).value).toEqual({ n: 1 })
      client.send({ n: 2 })
      expect(await client.closed).toEqual({ code: 4001, reason: 'told to' })
    }))

  test('ends its connection without a close frame', () =>
    passes(async () => {
      bed.proxy.onClientMessage({ n: 1 }).once().drop().thenTerminate()
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      expect(await client.closed).toEqual({ code: 1006, reason: '' })
    }))

  test('can be shared while it is half-built: builders do not change', () =>
    passes(async () => {
      const base = bed.proxy.onClientMessage()
      const first = base.nth(1).drop()
      const third = base.nth(3).drop()
      const client = await TestClient.open(url)
      for (let n = 1; n <= 3; n++) client.send({ n })
      expect(await client.gets(1)).toEqual([{ n: 2 }])
      expect([first.hits, third.hits]).toEqual([1, 1])
    }))

  test('stops acting when it is disposed, or its block is left', () =>
    passes(async () => {
      const client = await TestClient.open(url)
      {
        using rule = bed.proxy.onClientMessage().drop()
        client.send({ n: 1 })
        await rule.waitForHit()
      }
      client.send({ n: 2 })
      expect(await client.gets(1)).toEqual([{ n: 2 }])
    }))

  test('named is what its failures say', async () => {
    const { thrown } = await bed.runFailing('a test', async () => {
      await bed.proxy.onClientMessage({ n: 1 }).named('the first').optional().drop().waitForHit(2, { timeout: 1 })
    })
    expect(thrown.message).toMatch(/^"the first" \(rules\.test\.ts:\d+\) never acted within \d+ ms; expected twice\n/)
  })
})

describe('a hold', () => {
  test('lets its messages be seen, and go one by one, by name, by number, and all', () =>
    passes(async () => {
      const acks = bed.proxy.onServerMessage().hold()
      const client = await TestClient.open(url)
      for (let n = 1; n <= 5; n++) client.send({ n })
      expect((await acks.next()).value).toEqual({ n: 1 })
      const second = await acks.next()
      await acks.waitForHit(5)
      expect(acks.held.map(({ value }) => value.n)).toEqual([1, 2, 3, 4, 5])
      acks.release()
      acks.release(second)
      expect(await client.gets(2)).toEqual([{ n: 1 }, { n: 2 }])
      acks.release(2)
      expect(await client.gets(4)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }])
      acks.releaseAll()
      await client.gets(5)
      expect(acks.held).toEqual([])
    }))

  test('with others passing sets its message aside, to the tail', () =>
    passes(async () => {
      const held = bed.proxy.onServerMessage({ n: 1 }).hold({ others: 'pass' })
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      client.send({ n: 2 })
      expect(await client.gets(1)).toEqual([{ n: 2 }])
      held.release()
      expect(await client.gets(2)).toEqual([{ n: 2 }, { n: 1 }])
    }))

  test('that is disposed lets go what it holds', () =>
    passes(async () => {
      const client = await TestClient.open(url)
      {
        using held = bed.proxy.onServerMessage().hold()
        client.send({ n: 1 })
        await held.next()
      }
      expect(await client.gets(1)).toEqual([{ n: 1 }])
    }))

  test('does not release what it does not hold', () =>
    passes(async () => {
      const held = bed.proxy.onServerMessage({ n: 2 }).optional().hold()
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      const message = await bed.proxy.waitForServerMessage({ n: 1 })
      expect(() => held.release()).toThrow('release(1): it holds 0; await next() before releasing')
      expect(() => held.release(message)).toThrow('release(message): this rule does not hold that message')
    }))
})

describe('onConnect', () => {
  test('refuses, fails the name or times the connect out, before a byte is read', () =>
    passes(async () => {
      const { proxy } = bed
      proxy.onConnect({ host: 'refused.example.com' }).refuse()
      const dns = proxy.onConnect({ host: 'unknown.example.com', port: 443 }).failDns()
      const silent = proxy.onConnect({ host: 'silent.example.com' }).timeout()
      await expect(new TestClient('wss://refused.example.com').opened).rejects.toMatchObject({ code: 'ECONNREFUSED' })
      await expect(new TestClient('wss://unknown.example.com').opened).rejects.toMatchObject({ code: 'ENOTFOUND' })
      const client = new TestClient('wss://silent.example.com')
      await silent.waitForHit()
      client.socket.terminate()
      expect([dns.hits, proxy.hosts]).toEqual([1, ['refused.example.com', 'unknown.example.com', 'silent.example.com']])
    }))

  test('answers a handshake, with its body as it was meant', () =>
    passes(async () => {
      bed.proxy
        .onConnect({ path: '/v1' })
        .once()
        .respondWith(503, { error: 'busy' }, { 'Retry-After': 1, 'Set-Cookie': ['a=1', 'b=2'] })
      const client = new TestClient(url)
      const answered = new Promise<[number | undefined, string, unknown, unknown]>(resolve => {
        client.socket.on('unexpected-response', (_request, response) => {
          response.setEncoding('utf8').on('data', (body: string) => {
            const { headers } = response
            resolve([response.statusCode, body, headers['content-type'], headers['set-cookie']])
          })
        })
      })
      expect(await answered).toEqual([503, '{"error":"busy"}', 'application/json', ['a=1', 'b=2']])
      const again = await TestClient.open(url)
      expect((await bed.proxy.waitForConnection()).attempt).toBe(2)
      again.socket.terminate()
    }))

  test('holds handshakes, and lets them go', () =>
    passes(async () => {
      const held = bed.proxy.onConnect({ query: { held: 'yes' } }).hold()
      const client = new TestClient(`${url}?held=yes`)
      const connection = await held.next()
      expect(connection).toMatchObject({ state: 'opening', path: '/v1' })
      expect(held.held).toEqual([connection])
      expect(() => held.release(2)).toThrow('release(2): it holds 1')
      held.release(connection)
      await client.opened
      expect(held.held).toEqual([])
      expect(held.hits).toBe(1)
    }))

  test('resets, delays and rewrites a handshake', () =>
    passes(async () => {
      const { proxy } = bed
      proxy.onConnect({ path: '/reset' }).reset()
      proxy.onConnect({ path: '/delay' }).delay(1)
      proxy.onConnect({ path: '/v1' }).rewrite(request => {
        request.query['resume'] = 'bogus'
      })
      await expect(new TestClient('wss://notes.example.com/reset').opened).rejects.toMatchObject({ code: 'ECONNRESET' })
      await TestClient.open('wss://notes.example.com/delay')
      const client = await TestClient.open(`${url}?resume=real`)
      expect(bed.server.requests.at(-1)).toBe('/v1?resume=bogus')
      expect(client.socket.url).toBe(`${url}?resume=real`)
    }))

  test('accepts a handshake itself, with no upstream', () =>
    passes(async () => {
      bed.proxy.onConnect({ host: 'nowhere.example.com' }).accept({ n: 1 }, { n: 2 })
      const client = await TestClient.open('wss://nowhere.example.com')
      expect(await client.gets(2)).toEqual([{ n: 1 }, { n: 2 }])
    }))

  test('redirects a handshake to another server; the client still means the first', () =>
    passes(async () => {
      const target = new URL('http://127.0.0.1')
      const { port } = new URL(bed.proxy.urlFor('http://other.example.com/'))
      target.port = port
      bed.proxy.onConnect({ host: 'gone.example.com' }).redirect(target)
      const client = await TestClient.open('wss://gone.example.com/v1')
      client.send({ n: 1 })
      await client.gets(1)
      expect(bed.proxy.connections.map(({ host }) => host)).toContain('gone.example.com')
    }))
})

describe('bad input is an error at its line', () => {
  const cases: [string, () => unknown, string][] = [
    ['a count of nothing', () => bed.proxy.onMessage().optional().times(0), 'times(count): expected a positive integer, got 0'],
    ['an nth that is skipped', () => bed.proxy.onMessage().skip(3).nth(3), 'nth(3) with skip(3) and every(1) can never act'],
    ['an nth between two of every(k)', () => bed.proxy.onMessage().nth(3).every(2), 'nth(3) with skip(0) and every(2) can never act'],
    ['a fractional k', () => bed.proxy.onMessage().nth(1.5), 'nth(k): expected a positive integer, got 1.5'],
    ['an empty name', () => bed.proxy.onMessage().named(''), 'named(text): expected a text, got an empty one'],
    ['no connection', () => bed.proxy.onMessage().on({} as never), 'on(connection): expected a connection'],
    ['a negative delay', () => bed.proxy.onMessage().delay(-5), 'delay(ms): expected a number of ms from 0 to 2147483647, got -5'],
    [
      'an unknown hold option',
      () => bed.proxy.onMessage().hold({ other: 'pass' } as object),
      'hold(options): unknown key "other"; known are "others"',
    ],
    [
      'an unknown hold choice',
      () => bed.proxy.onMessage().hold({ others: 'go' as 'pass' }),
      "hold({ others }): expected 'wait' or 'pass', got go",
    ],
    ['no observer', () => bed.proxy.onMessage().observe(5 as never), 'observe(fn): expected a function, got number'],
    ['nothing to replace with', () => bed.proxy.onMessage().replace(undefined as never), 'replace(value): expected a value or a function'],
    [
      'a close code that is never sent',
      () => bed.proxy.onMessage().optional().drop().thenClose(1006),
      'thenClose(code, reason): close code 1006 must not be sent',
    ],
    ['a reason too long', () => bed.proxy.onMessage().optional().drop().thenClose(1000, 'x'.repeat(124)), '124 bytes'],
    [
      'something after the end',
      () => bed.proxy.onMessage().optional().drop().thenTerminate().thenSendToClient({ n: 1 }),
      'cannot follow thenTerminate()',
    ],
    ['an unknown match key', () => bed.proxy.onConnect({ hots: 'a' } as object), 'onConnect(match): unknown key "hots"'],
    [
      'a key that is known only later',
      () => bed.proxy.onConnect({ path: '/' }).refuse(),
      'onConnect({ path }).refuse() decides before a byte is read',
    ],
    [
      'a status that ends nothing',
      () => bed.proxy.onConnect().respondWith(101),
      'respondWith(status): expected a status from 200 to 599, got 101',
    ],
    [
      'a header with a line break',
      () => bed.proxy.onConnect().respondWith(200, '', { a: 'b\r\nc: d' }),
      'the value of "a" has a line break',
    ],
    ['nothing to say first', () => bed.proxy.onConnect().accept(undefined as never), 'accept(...firstMessages): expected values to send'],
    ['no function to rewrite with', () => bed.proxy.onConnect().rewrite({} as never), 'rewrite(fn): expected a function, got object'],
    ['a URL of no server', () => bed.proxy.onConnect().redirect('mailto:x'), 'redirect(url): expected a ws:, wss:, http: or https: URL'],
  ]
  test.each(cases)('%s', async (_what, call, message) => {
    const { thrown } = await bed.runFailing('a test', async () => void call())
    expect(thrown.message).toContain(message)
    expect(thrown.stack?.split('\n')[1]).toContain('rules.test.ts')
    expect(thrown).toMatchObject({ code: 'MIDWIRE_BAD_INPUT' })
  })

  test('a follow-up in a later turn, when the rule may have acted', async () => {
    const { thrown } = await bed.runFailing('a test', async () => {
      const rule = bed.proxy.onMessage().drop()
      await Promise.resolve()
      rule.thenTerminate()
    })
    expect(thrown).toMatchObject({ code: 'MIDWIRE_BAD_USE' })
    expect(String(thrown)).toContain('thenTerminate() must follow its verb at once')
  })
})
