import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkConnected, checkReceived, checkSent, checkSentInOrder } from './checks.ts'
import type { CheckResult } from './checks.ts'
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

/** Runs `fn`, with a client that has sent these and got the server's echo of as many, as a test that must pass. */
async function afterSending(notes: readonly Note[], fn: () => void | Promise<void>, echoes: number = notes.length): Promise<void> {
  const { errors } = await bed.run('a test', async () => {
    const client = await TestClient.open(url)
    for (const note of notes) client.send(note)
    await client.gets(echoes)
    await fn()
  })
  expect(errors).toEqual([])
}

function firstLine(result: CheckResult): string | undefined {
  return result.message().split('\n', 1)[0]
}

describe('toHaveSent', () => {
  test('is met by a message that a client has sent in this test, whatever rules did with it', () =>
    afterSending(
      [{ n: 1 }, { n: 2 }],
      () => {
        expect(checkSent(bed.proxy).pass).toBe(true)
        expect(checkSent(bed.proxy, { n: 1 }).pass).toBe(true)
        expect(checkSent(bed.proxy, (note: Note) => note.n === 2).pass).toBe(true)
        expect(checkSent(bed.proxy, { n: 3 }).pass).toBe(false)
      },
      2,
    ))

  test('shows the nearest message, what to compare it with, and how to wait', () =>
    afterSending([{ n: 1, text: 'one' }, { n: 2 }], () => {
      const result = checkSent(bed.proxy, { n: 1, text: 'uno' })
      expect(result).toMatchObject({ pass: false, actual: { n: 1, text: 'one' }, expected: { n: 1, text: 'uno' } })
      const lines = result.message().split('\n')
      expect(lines[0]).toBe('expect(proxy).toHaveSent({ n: 1, text: "uno" }): no client message matched so far')
      expect(lines[1]).toMatch(/^ {2}at .*checks\.test\.ts:\d+ · test "a test"$/)
      expect(lines.filter(line => line.includes('nearest'))).toEqual([
        expect.stringMatching(/client → server .*\{ n: 1, text: "one" \}.* nearest: text "one", expected "uno"$/),
      ])
      expect(lines.at(-1)).toBe('  to wait for it: await proxy.waitForClientMessage(…)')
    }))

  test('shows only what a partial match asks for', () =>
    afterSending([{ n: 1, text: 'one' }], () => {
      const match = { n: 2, text: /^o/ }
      expect(checkSent(bed.proxy, match)).toMatchObject({ actual: { n: 1, text: match.text }, expected: match })
      expect(checkSent(bed.proxy, { n: 2 })).not.toHaveProperty('actual')
    }))

  test('marks what should not have been there, where it was asked for the opposite', () =>
    afterSending([{ n: 1 }, { n: 2 }, { n: 1 }], () => {
      const result = checkSent(bed.proxy, { n: 1 }, { isNot: true })
      expect(result.pass).toBe(true)
      expect(firstLine(result)).toBe('expect(proxy).not.toHaveSent({ n: 1 }): 2 client messages matched, expected none')
      expect(
        result
          .message()
          .split('\n')
          .filter(line => line.endsWith('← matched')),
      ).toHaveLength(2)
    }))

  test('counts what this test has seen, and nothing before', async () => {
    await bed.run('earlier', async () => {
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      await client.gets(1)
    })
    await bed.run('a test', async () => {
      expect(checkSent(bed.proxy).pass).toBe(false)
      expect(checkSent(bed.proxy).message()).toContain('nothing was seen')
    })
  })

  test('looks at one client where it is asked about one', () =>
    afterSending([{ n: 1 }], () => {
      expect(checkSent(bed.proxy.client({ host: 'notes.example.com' })).pass).toBe(true)
      const result = checkSent(bed.proxy.client({ host: 'other.example.com' }))
      expect(firstLine(result)).toBe('expect(proxy.client({ host: "other.example.com" })).toHaveSent(): no client message so far')
    }))
})

describe('toHaveReceived', () => {
  test('is met by what was written to a client, as it was written', async () => {
    const { errors } = await bed.run('a test', async () => {
      const { proxy } = bed
      proxy.onServerMessage({ n: 1 }).drop().thenSendToClient({ n: 10 })
      proxy.onServerMessage({ n: 2 }).replace({ n: 20 })
      proxy.onServerMessage({ n: 3 }).patch({ text: 'three' })
      const held = proxy.onServerMessage({ n: 4 }).hold()
      const client = await TestClient.open(url)
      for (let n = 1; n <= 4; n++) client.send({ n })
      await held.next()
      await client.gets(3)
      expect([1, 2, 3, 4, 10, 20].filter(n => checkReceived(proxy, { n }).pass)).toEqual([3, 10, 20])
      expect(checkReceived(proxy, { n: 3, text: 'three' }).pass).toBe(true)
      expect(checkReceived(proxy, (note: Note, { from }: { from: string }) => note.n === 10 && from === 'server').pass).toBe(true)
      held.release()
      await client.gets(4)
      expect(checkReceived(proxy, { n: 4 }).pass).toBe(true)
    })
    expect(errors).toEqual([])
  })

  test('says where a message came from the server and did not reach the client', async () => {
    await bed.run('a test', async () => {
      bed.proxy.onServerMessage({ n: 1 }).drop()
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      client.send({ n: 2 })
      await client.gets(1)
      const result = checkReceived(bed.proxy, { n: 1 })
      expect(firstLine(result)).toBe('expect(proxy).toHaveReceived({ n: 1 }): no message to the client matched so far')
      expect(result.message()).toMatch(/\{ n: 1 \} +dropped by onServerMessage/)
      expect(result.message()).toMatch(/1 message from the server matched, and did not reach the client so\./)
      expect(result.pass).toBe(false)
    })
  })
})

describe('toHaveSentInOrder', () => {
  const notes = [1, 2, 3, 4].map(n => ({ n }))

  test('is met by messages in that order, with others between them', () =>
    afterSending(notes, () => {
      expect(checkSentInOrder(bed.proxy, [{ n: 1 }, { n: 3 }]).pass).toBe(true)
      expect(checkSentInOrder(bed.proxy, [{ n: 3 }, { n: 1 }]).pass).toBe(false)
      expect(checkSentInOrder(bed.proxy, [{ n: 1 }, { n: 1 }]).pass).toBe(false)
      expect(checkSentInOrder(bed.proxy, [undefined, undefined, (note: Note) => note.n > 3]).pass).toBe(true)
    }))

  test('says how far it came, and whether the next one came before', () =>
    afterSending(notes, () => {
      const result = checkSentInOrder(bed.proxy, [{ n: 2 }, { n: 3 }, { n: 1 }])
      expect(firstLine(result)).toBe(
        'expect(proxy).toHaveSentInOrder([{ n: 2 }, { n: 3 }, { n: 1 }]): no client message matched { n: 1 } after 2 of 3, only before',
      )
      expect(result.message()).toMatch(/\{ n: 2 \} +← 1 of 3\n/)
      expect(result.message()).toMatch(/\{ n: 3 \} +← 2 of 3\n/)
      expect(result).toMatchObject({ actual: [{ n: 2 }, { n: 3 }], expected: [{ n: 2 }, { n: 3 }, { n: 1 }] })
    }))
})

test('toHaveConnected counts the connections that were opened in this test', async () => {
  await bed.run('a test', async () => {
    const { proxy } = bed
    expect(checkConnected(proxy)).toMatchObject({ pass: false })
    expect(checkConnected(proxy, [0])).toMatchObject({ pass: true })
    expect(firstLine(checkConnected(proxy))).toBe('expect(proxy).toHaveConnected(): never connected')
    await TestClient.open(url)
    await TestClient.open(url)
    proxy.onConnect().respondWith(503)
    await TestClient.open(url).catch(() => {})
    expect(checkConnected(proxy).pass).toBe(true)
    expect(checkConnected(proxy, [2]).pass).toBe(true)
    expect(checkConnected(proxy, [3])).toMatchObject({ pass: false, actual: 2, expected: 3 })
    expect(firstLine(checkConnected(proxy, [3]))).toBe('expect(proxy).toHaveConnected(3): connected twice')
  })
})

test('what cannot be meant is an error', async () => {
  await bed.run('a test', async () => {
    const { proxy } = bed
    expect(() => checkSent({ proxy })).toThrow('toHaveSent: expected expect() of an interception proxy, got { proxy:')
    expect(() => checkSentInOrder(proxy, [])).toThrow('toHaveSentInOrder([…]): expected a list of matches')
    expect(() => checkConnected(proxy, [-1])).toThrow('toHaveConnected(times): expected a number of connections, got -1')
  })
  expect(() => checkSent(bed.proxy)).toThrow('outside of a test or hook')
})
