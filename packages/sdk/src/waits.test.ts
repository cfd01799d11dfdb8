import type { Connection, Message } from '@midwire/proxy'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { json } from './codec/json.ts'
import { TestClient } from './testing/scripted-server.ts'
import { startTestBed, url } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'

interface Note {
  readonly n: number
  readonly text?: string
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

describe('a wait', () => {
  test('finds what came before it, and what comes after it', () =>
    passes(async () => {
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      await client.gets(1)
      expect((await bed.proxy.waitForClientMessage({ n: 1 })).value).toEqual({ n: 1 })
      const later = bed.proxy.waitForServerMessage({ n: 2 })
      client.send({ n: 2 })
      expect((await later).from).toBe('server')
    }))

  test('takes a predicate, a pattern, the k-th match, and what came after something', () =>
    passes(async () => {
      const client = await TestClient.open(url)
      client.send({ n: 1, text: 'abc' })
      client.send({ n: 2, text: 'abd' })
      await client.gets(2)
      const mark = bed.proxy.mark()
      client.send({ n: 3, text: 'abc' })
      const first = await bed.proxy.waitForClientMessage(({ n }, message) => n > 1 && message.from === 'client')
      expect(first.value.n).toBe(2)
      expect((await bed.proxy.waitForClientMessage({ text: /^ab/ }, { nth: 3 })).value.n).toBe(3)
      expect((await bed.proxy.waitForClientMessage(undefined, { after: first })).value.n).toBe(3)
      expect((await bed.proxy.waitForClientMessage({ text: 'abc' }, { after: mark })).value.n).toBe(3)
      expect((await bed.proxy.waitForServerMessage(undefined, { after: await bed.proxy.waitForConnection(), nth: 2 })).value.n).toBe(2)
    }))

  test('resolves when a message arrives, whatever rules decide about it', () =>
    passes(async () => {
      bed.proxy.onClientMessage().drop()
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      const dropped = await bed.proxy.waitForClientMessage({ n: 1 })
      expect(await dropped.whenDelivered).toBeUndefined()
      expect(dropped.verdict).toEqual({ kind: 'drop' })
    }))

  test('sees connections, attempts, requests, responses, closings and anything else', () =>
    passes(async () => {
      const { proxy } = bed
      const client = await TestClient.open(`${url}?resume=1`)
      const connection = await proxy.waitForConnection({ query: { resume: '1' }, headers: { Host: 'notes.example.com' } })
      expect(connection.attempt).toBe(1)
      expect(proxy.connection).toBe(connection)
      client.socket.close(4001, 'bye')
      expect(await proxy.waitForClose({ code: 4001 })).toMatchObject({ from: 'client', reason: 'bye', connection })
      await client.closed
      const body = await fetch('https://notes.example.com/time?x=1').then(response => response.text())
      expect(body).toBe('/time?x=1')
      const exchange = await proxy.waitForRequest({ method: 'GET', path: '/time', query: { x: '1' } })
      expect(await proxy.waitForResponse({ status: 200 })).toBe(exchange)
      expect(proxy.requests).toEqual([exchange])
      expect(proxy.hosts).toEqual(['notes.example.com', 'notes.example.com'])
      const end = await proxy.waitFor(event => event.kind === 'end')
      expect(end.kind).toBe('end')
      await TestClient.open(url)
      expect((await proxy.waitForConnection(undefined, { nth: 2 })).attempt).toBe(2)
    }))

  test('counts a connection that ends without a close frame as closed with 1006, and each connection once', () =>
    passes(async () => {
      for (let n = 0; n < 2; n++) {
        const client = await TestClient.open(url)
        client.socket.terminate()
        const { code, connection } = await bed.proxy.waitForClose(undefined, { nth: n + 1 })
        expect({ code, id: connection.id }).toEqual({ code: 1006, id: n + 1 })
      }
    }))

  test.each<[string, (connection: Connection) => void]>([
    ['terminate()', connection => connection.terminate()],
    ['terminate({ closeNotify: false })', connection => connection.terminate({ closeNotify: false })],
    ['reset()', connection => connection.reset()],
    ['an outage', () => bed.proxy.goOffline().goOnline()],
    ["a rule's thenTerminate()", () => {}],
  ])('counts an end of our own as closed with 1006: %s', (name, end) =>
    passes(async () => {
      bed.proxy.onServerMessage({ n: 1 }).optional().drop().thenTerminate()
      const client = await TestClient.open(url)
      const connection = await bed.proxy.waitForConnection()
      if (name.startsWith('a rule')) client.send({ n: 1 })
      else end(connection)
      expect(await bed.proxy.waitForClose({ code: 1006 })).toMatchObject({ reason: '', connection })
      await expect(bed.proxy.waitForClose({}, { nth: 2, timeout: 1 })).rejects.toThrow('only 1 of 2 closes matched')
    }),
  )

  test('counts each connection as closed once, though both sides send a close frame and end', () =>
    passes(async () => {
      const { proxy } = bed
      for (const code of [4001, 4002]) {
        const client = await TestClient.open(url)
        client.socket.close(code)
        await client.closed
        await proxy.waitFor(event => event.kind === 'end', { nth: code === 4001 ? 2 : 4 })
      }
      expect(await proxy.waitForClose(undefined, { nth: 2 })).toMatchObject({ code: 4002, from: 'client' })
      expect(await proxy.waitForClose({ from: 'server' })).toMatchObject({ code: 4001 })
      await expect(proxy.waitForClose({ code: 1006 }, { timeout: 1 })).rejects.toThrow('no close matched { code: 1006 }')
    }))

  test('ends by its signal, with the signal’s reason', () =>
    passes(async () => {
      const abort = new AbortController()
      const wait = bed.proxy.waitForConnection({}, { signal: abort.signal })
      abort.abort(new Error('enough'))
      await expect(wait).rejects.toThrow('enough')
      await expect(bed.proxy.waitForConnection({}, { signal: abort.signal })).rejects.toThrow('enough')
    }))

  test('is not frozen by fake timers (T101)', () =>
    passes(async () => {
      vi.useFakeTimers()
      try {
        await expect(bed.proxy.waitForConnection({}, { timeout: 5 })).rejects.toThrow(/^no connection matched \{\} within \d+ ms/)
      } finally {
        vi.useRealTimers()
      }
    }))

  test('fails with the error of its own predicate, at its line', async () => {
    const { thrown } = await bed.runFailing('a test', async () => {
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      await bed.proxy.waitForClientMessage(({ text = '' }) => {
        if (text === '') throw new TypeError('no text')
        return true
      })
    })
    expect(thrown).toMatchObject({ code: 'MIDWIRE_RULE_FAILED', cause: { message: 'no text' } })
    expect(thrown.stack?.split('\n')[1]).toContain('waits.test.ts')
  })

  test('ends shortly before its test does, and not later because it was told to', async () => {
    await bed[Symbol.asyncDispose]()
    bed = await startTestBed({ codec: json<Note>() }, () => 260)
    const { thrown } = await bed.runFailing('a test', () => bed.proxy.waitForConnection({}, { timeout: 60_000 }).then(() => {}))
    const [, ms] = /within (\d+) ms/.exec(String(thrown)) ?? []
    expect(Number(ms)).toBeGreaterThanOrEqual(129)
    expect(Number(ms)).toBeLessThan(260)
  })

  test('that a test did not await is an error at its line, and no unhandled rejection', async () => {
    const { errors } = await bed.run('a test', async () => {
      void bed.proxy.waitForConnection(undefined, { timeout: 1 })
    })
    // By the end of this one the first would have timed out: nobody listens to it any more.
    await bed.run('the next', () => expect(bed.proxy.waitForConnection({}, { timeout: 10 })).rejects.toThrow('no connection'))
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ code: 'MIDWIRE_BAD_USE' })
    expect(errors[0]?.message).toMatch(
      /^waitForConnection\(any\) at .*waits\.test\.ts:\d+ was still waiting when its test ended; await it$/,
    )
  })

  test.each([
    [{ timout: 5 }, 'waitForConnection options: unknown key "timout"; known are "timeout", "signal", "nth", "after"'],
    [{ nth: 0 }, 'waitForConnection { nth }: expected a positive integer, got 0'],
    [{ timeout: -1 }, 'waitForConnection { timeout }: expected a number of ms'],
    [{ after: {} }, 'waitForConnection { after }: expected what a wait returned, or proxy.mark()'],
    [{ signal: 5 }, 'waitForConnection { signal }: expected an AbortSignal'],
  ])('with options %o is refused: %s', (options, message) =>
    passes(async () => {
      await expect(bed.proxy.waitForConnection(undefined, options as object)).rejects.toThrow(message)
    }),
  )

  test('with an unknown key in its match is refused', () =>
    passes(async () => {
      const wrong = { pth: '/v1' } as object
      await expect(bed.proxy.waitForConnection(wrong)).rejects.toThrow('waitForConnection(match): unknown key "pth"')
      await expect(bed.proxy.waitForRequest({ status: 200 } as object)).rejects.toThrow('waitForRequest(match): unknown key "status"')
    }))
})

describe('a second identical wait', () => {
  test('is an error at its line, which tells the first', async () => {
    const { thrown } = await bed.runFailing('a test', async () => {
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      const next = (): Promise<Message<Note>> => bed.proxy.waitForClientMessage({ n: 1 })
      await next()
      await next()
    })
    expect(thrown).toMatchObject({ code: 'MIDWIRE_BAD_USE' })
    expect(String(thrown)).toMatch(
      /waitForClientMessage\(\{ n: 1 \}\) is the same wait as at .*waits\.test\.ts:\d+ and would return the same client message; add \{ nth: 2 \}/,
    )
    expect(thrown.stack?.split('\n')[1]).toContain('waits.test.ts')
  })

  test('is none after one that timed out', () =>
    passes(async () => {
      await expect(bed.proxy.waitForConnection({}, { timeout: 1 })).rejects.toThrow('no connection')
      await TestClient.open(url)
      await bed.proxy.waitForConnection({})
    }))

  test('is none in another test', async () => {
    for (const name of ['one', 'two']) {
      const { errors } = await bed.run(name, async () => {
        await TestClient.open(url)
        await bed.proxy.waitForConnection()
      })
      expect(errors).toEqual([])
    }
  })
})

describe('the failure of a wait', () => {
  test('tells what was expected, what was seen instead, what rules did, and what came closest', async () => {
    const { thrown } = await bed.runFailing('sends the third note', async () => {
      bed.proxy.onClientMessage({ n: 1 }).once().named('lose the first').drop()
      bed.proxy.onServerMessage({ n: 7 }).optional().drop()
      const client = await TestClient.open(url)
      client.send({ n: 1, text: 'a' })
      client.send({ n: 2, text: 'b' })
      await client.gets(1)
      await bed.proxy.waitForClientMessage({ n: 3, text: 'b' }, { timeout: 1 })
    })
    expect(thrown).toMatchObject({ code: 'MIDWIRE_UNMET', name: 'UnmetExpectation [MIDWIRE_UNMET]' })
    const text = thrown.message
      .replace(/at \S+waits/, 'at waits')
      .replace(/\d+ ms/g, 'N ms')
      .replace(/ +\+N/g, '    +N')
      .replace(/:\d+/g, ':L')
    expect(text).toMatchInlineSnapshot(`
      "no client message matched { n: 3, text: "b" } within N ms
        at waits.test.ts:L · test "sends the third note"
        wss://notes.example.com/v1  connection 1, open
          +N ms  client → server  text 18 B  { n: 1, text: "a" }  dropped by "lose the first" (waits.test.ts:L)
          +N ms  client → server  text 18 B  { n: 2, text: "b" }  nearest: n 2, expected 3
          +N ms  server → client  text 18 B  { n: 2, text: "b" }
        rules: "lose the first" (waits.test.ts:L) acted once · onServerMessage (waits.test.ts:L) never matched"
    `)
    expect(thrown.stack?.split('\n    at ')[1]).toContain('waits.test.ts')
  })

  test('says that nothing was seen', async () => {
    const { thrown } = await bed.runFailing('a test', () => bed.proxy.waitForServerMessage({ n: 1 }, { timeout: 1, nth: 2 }).then(() => {}))
    expect(thrown.message).toMatch(
      /^only 0 of 2 server messages matched \{ n: 1 \} within \d+ ms\n.*\n {2}nothing was seen: no connection, no request$/,
    )
  })
})

describe('an absence', () => {
  test('holds so far, up to a landmark, up to a promise, and for a while', () =>
    passes(async () => {
      const { proxy } = bed
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      const first = await proxy.waitForServerMessage({ n: 1 })
      await proxy.expectNoClientMessage({ n: 2 })
      await proxy.expectNoServerMessage({ n: 2 }, { for: 1 })
      const third = proxy.waitForServerMessage({ n: 3 })
      const none = proxy.expectNoServerMessage({ n: 4 }, { until: third })
      client.send({ n: 3 })
      client.send({ n: 4 })
      await none
      await proxy.waitForServerMessage({ n: 4 })
      await proxy.expectNoServerMessage({ n: 3 }, { until: first })
      await proxy.expectNoServerMessage({ n: 1 }, { after: first })
      await proxy.expectNoConnection({ path: '/v2' })
      await proxy.expectNoConnection(undefined, { after: first })
      await proxy.expectNoRequest()
    }))

  test('fails where it was met before, with the transcript', async () => {
    const { thrown } = await bed.runFailing('a test', async () => {
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      await client.gets(1)
      await bed.proxy.expectNoClientMessage({ n: 1 })
    })
    expect(thrown).toMatchObject({ code: 'MIDWIRE_UNEXPECTED' })
    expect(thrown.message).toMatch(/^a client message matched \{ n: 1 \} after \d+ ms; expected none\n {2}at .*waits\.test\.ts:\d+/)
    expect(thrown.message).toContain('client → server  text')
  })

  test('fails as soon as it is met, while what it is bounded by is still to come', async () => {
    const { thrown } = await bed.runFailing('a test', async () => {
      const client = await TestClient.open(url)
      const never = new Promise(() => {})
      const none = bed.proxy.expectNoServerMessage({ n: 1 }, { until: never })
      client.send({ n: 1 })
      await none
    })
    expect(thrown).toMatchObject({ code: 'MIDWIRE_UNEXPECTED' })
  })

  test('fails with the reason of the promise that bounds it', () =>
    passes(async () => {
      await expect(bed.proxy.expectNoRequest({}, { until: Promise.reject(new Error('gave up')) })).rejects.toThrow('gave up')
    }))

  test('whose bound never comes says so in time', async () => {
    await bed[Symbol.asyncDispose]()
    bed = await startTestBed({ codec: json<Note>(), waitTimeout: 5 })
    const { thrown } = await bed.runFailing('a test', () => bed.proxy.expectNoRequest({}, { until: new Promise(() => {}) }))
    expect(String(thrown)).toMatch(/expectNoRequest\(\{\}\): what `until` waits for did not come within \d+ ms/)
  })

  test('takes until or for, not both', () =>
    passes(async () => {
      await expect(bed.proxy.expectNoRequest({}, { until: Promise.resolve(), for: 5 })).rejects.toThrow(
        'give either until or for, not both',
      )
    }))
})
