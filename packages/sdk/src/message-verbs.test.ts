import type { Message } from '@midwire/proxy'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
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

/** Runs `fn` with a client of an echo server, as a test that must pass. */
async function passes(fn: (client: TestClient) => Promise<void>): Promise<void> {
  const { errors } = await bed.run('a test', async () => fn(await TestClient.open(url)))
  expect(errors).toEqual([])
}

function send(client: TestClient, ...numbers: readonly number[]): void {
  for (const n of numbers) client.send({ n })
}

/** Matches what the server sends back, and not what it answers. */
function echoOf(number: number): (note: Note, message: Message<Note>) => boolean {
  return ({ n }, { from }) => n === number && from === 'server'
}

describe('a follow-up without a verb', () => {
  test('lets the message pass, and follows it', () =>
    passes(async client => {
      const echo = bed.proxy.onServerMessage({ n: 1 }).once().thenSendToClient({ n: 10 })
      bed.proxy.onClientMessage({ n: 1 }).once().thenSendToServer({ n: 11 })
      send(client, 1, 1)
      expect(await client.gets(4)).toEqual([{ n: 1 }, { n: 10 }, { n: 11 }, { n: 1 }])
      expect(echo.hits).toBe(1)
    }))

  test('closes, or ends, the connection behind the message', () =>
    passes(async client => {
      bed.proxy.onServerMessage({ n: 1 }).thenClose(4000, 'enough')
      send(client, 1)
      expect(await client.closed).toEqual({ code: 4000, reason: 'enough' })
      expect(client.received).toEqual([{ n: 1 }])
      bed.proxy.onServerMessage({ n: 2 }).thenTerminate()
      const other = await TestClient.open(url)
      send(other, 2)
      expect(await other.closed).toEqual({ code: 1006, reason: '' })
      expect(other.received).toEqual([{ n: 2 }])
    }))
})

describe('reply', () => {
  test("answers in the receiver's stead", () =>
    passes(async client => {
      bed.proxy.onClientMessage({ n: 1 }).reply({ n: 100 })
      bed.proxy.onClientMessage({ n: 2 }).reply(({ n }, { from }) => ({ n: n * 100, text: from }))
      send(client, 1, 2, 3)
      const echoed = await bed.proxy.waitForServerMessage()
      expect(echoed.value).toEqual({ n: 3 })
      expect(await client.gets(3)).toEqual([{ n: 100 }, { n: 200, text: 'client' }, { n: 3 }])
    }))
})

describe('duplicate', () => {
  test('delivers a message again, right behind itself', () =>
    passes(async client => {
      bed.proxy.onServerMessage({ n: 1 }).duplicate()
      bed.proxy.onServerMessage({ n: 2 }).duplicate(2)
      send(client, 1, 2, 3)
      expect(await client.gets(6)).toEqual([1, 1, 2, 2, 2, 3].map(n => ({ n })))
    }))

  test('is not asked where a newer rule decides', () =>
    passes(async client => {
      bed.proxy.onServerMessage({ n: 1 }).optional().duplicate()
      bed.proxy.onServerMessage({ n: 1 }).drop()
      send(client, 1, 2)
      expect(await client.gets(1)).toEqual([{ n: 2 }])
    }))
})

describe('holdUntil', () => {
  test('lets a message go once another has been written', () =>
    passes(async client => {
      const held = bed.proxy.onServerMessage({ n: 1 }).holdUntil(echoOf(3))
      send(client, 1, 2)
      expect((await held.next()).value).toEqual({ n: 1 })
      expect(await client.gets(1)).toEqual([{ n: 2 }])
      send(client, 3)
      expect(await client.gets(3)).toEqual([{ n: 2 }, { n: 3 }, { n: 1 }])
      expect(held.held).toEqual([])
    }))

  test('waits for messages of either direction, and holds no more once they have come', () =>
    passes(async client => {
      const { proxy } = bed
      proxy.onClientMessage({ n: 5 }).drop()
      const held = proxy.onServerMessage(({ n }) => n < 5).holdUntil(({ n }, { from }) => n === 6 && from === 'client')
      send(client, 1)
      await held.next()
      send(client, 5, 6)
      expect(await client.gets(2)).toEqual(expect.arrayContaining([{ n: 1 }, { n: 6 }]))
      send(client, 2)
      expect((await client.gets(3)).at(-1)).toEqual({ n: 2 })
      expect(held.hits).toBe(1)
    }))

  test('never holds what it waits for', () =>
    passes(async client => {
      bed.proxy.onServerMessage().holdUntil(echoOf(3))
      send(client, 1, 2, 3)
      expect(await client.gets(3)).toEqual([{ n: 3 }, { n: 1 }, { n: 2 }])
    }))

  test('is not met by a message that was dropped', () =>
    passes(async client => {
      bed.proxy.onServerMessage({ n: 2 }).drop()
      const held = bed.proxy.onServerMessage({ n: 1 }).holdUntil(echoOf(2))
      send(client, 1, 2, 3)
      expect(await client.gets(1)).toEqual([{ n: 3 }])
      expect(held.held).toHaveLength(1)
      held.releaseAll()
      expect(await client.gets(2)).toEqual([{ n: 3 }, { n: 1 }])
    }))
})

describe('forbid', () => {
  test('fails the test at the message, which passes', async () => {
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onClientMessage({ n: 2 }).named('no twos').forbid('two is for nobody')
      const client = await TestClient.open(url)
      send(client, 1, 2)
      expect(await client.gets(2)).toEqual([{ n: 1 }, { n: 2 }])
    })
    expect(errors).toHaveLength(1)
    expect(errors[0]).toMatchObject({ code: 'MIDWIRE_FORBIDDEN' })
    // A stack of Midwire's own would tell a reader nothing.
    expect(errors[0]?.cause).toBeUndefined()
    expect(errors[0]?.message).toMatch(
      /^"no twos" \(message-verbs\.test\.ts:\d+\) on client message 2 of connection 1: forbidden client message \(two is for nobody\): \{ n: 2 \}$/,
    )
  })

  test('asks for nothing where nothing came', () =>
    passes(async () => {
      bed.proxy.onClientMessage({ n: 2 }).forbid()
    }))
})

describe('a rule counts', () => {
  test('every k-th match', () =>
    passes(async client => {
      bed.proxy.onServerMessage().every(2).drop()
      send(client, 1, 2, 3, 4, 5)
      expect(await client.gets(3)).toEqual([1, 3, 5].map(n => ({ n })))
    }))

  test('from the match after those that it skips', () =>
    passes(async client => {
      bed.proxy.onServerMessage().skip(1).every(2).drop()
      send(client, 1, 2, 3, 4, 5)
      expect(await client.gets(3)).toEqual([1, 2, 4].map(n => ({ n })))
    }))

  test('after another rule has acted', () =>
    passes(async client => {
      const first = bed.proxy.onServerMessage({ n: 2 }).drop()
      bed.proxy.onServerMessage({ n: 1 }).after(first).drop()
      send(client, 1, 2, 1, 3)
      expect(await client.gets(2)).toEqual([{ n: 1 }, { n: 3 }])
    }))

  test('after a wait is met, and after everything that is asked for', () =>
    passes(async client => {
      const { proxy } = bed
      const met = proxy.waitForServerMessage({ n: 2 })
      const rule = proxy.onServerMessage({ n: 1 }).after(met).after(proxy.mark()).drop()
      send(client, 1, 2)
      await met
      await client.gets(2)
      send(client, 1, 3)
      expect(await client.gets(3)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
      expect(rule.hits).toBe(1)
    }))

  test('until a message comes, of either direction, and not on that one', () =>
    passes(async client => {
      bed.proxy
        .onServerMessage()
        .until(({ n }, { from }) => n === 3 && from === 'server')
        .drop()
      send(client, 1, 2, 3, 1)
      expect(await client.gets(2)).toEqual([{ n: 3 }, { n: 1 }])
    }))
})

test('a wait that a rule is to act after, and that is not met, fails the test', async () => {
  const { errors } = await bed.run('a test', async () => {
    const wait = bed.proxy.waitForServerMessage({ n: 2 }, { timeout: 1 })
    bed.proxy.onServerMessage({ n: 1 }).optional().after(wait).drop()
    await wait.catch(() => {})
  })
  expect(errors.map(({ message }) => message)).toEqual([expect.stringMatching(/^no server message matched \{ n: 2 \}/)])
})

describe('what a connection writes raw', () => {
  test('is what is written, decodable or not', () =>
    passes(async client => {
      const connection = await bed.proxy.waitForConnection()
      connection.sendRawToClient('no json')
      connection.sendRawToServer('{"n":7}')
      expect(await client.gets(2)).toEqual(['no json', { n: 7 }])
    }))

  test('a ping whose pong is swallowed', () =>
    passes(async client => {
      const connection = await bed.proxy.waitForConnection()
      const ping = new Promise(resolve => client.socket.once('ping', data => resolve(String(data))))
      connection.sendPing({ payload: 'there?' })
      expect(await ping).toBe('there?')
    }))

  test('flushed() tells that the client has taken what was written', () =>
    passes(async client => {
      const connection = await bed.proxy.waitForConnection()
      connection.sendToClient({ n: 1 })
      await connection.flushed()
      expect(client.received).toEqual([{ n: 1 }])
    }))
})

describe('corrupt', () => {
  test.each([
    ['utf8', 'WS_ERR_INVALID_UTF8'],
    ['opcode', 'WS_ERR_INVALID_OPCODE'],
    ['rsv', 'WS_ERR_UNEXPECTED_RSV_2_3'],
    ['control', 'WS_ERR_INVALID_CONTROL_PAYLOAD_LENGTH'],
  ] as const)('%s breaks the frame for a real client', (kind, code) =>
    passes(async client => {
      const failed = new Promise<Error>(resolve => client.socket.once('error', resolve))
      bed.proxy.onServerMessage({ n: 1 }).corrupt(kind)
      send(client, 1)
      expect(await failed).toMatchObject({ code })
    }),
  )

  test('payload gives what the codec cannot decode', () =>
    passes(async client => {
      bed.proxy.onServerMessage({ n: 1 }).corrupt('payload')
      const got = new Promise<string>(resolve => {
        client.socket.removeAllListeners('message')
        client.socket.once('message', data => resolve(String(data)))
      })
      send(client, 1)
      const text = await got
      expect(() => JSON.parse(text)).toThrow()
    }))

  test('truncate ends the connection in the middle of a frame', () =>
    passes(async client => {
      bed.proxy.onServerMessage({ n: 1 }).corrupt('truncate')
      send(client, 1)
      expect((await client.closed).code).toBe(1006)
    }))
})

test('what cannot be meant is an error at its line', async () => {
  await bed.run('a test', async () => {
    const rule = bed.proxy.onClientMessage().optional()
    // @ts-expect-error no such kind
    expect(() => rule.corrupt('bits')).toThrow("corrupt(kind): expected 'payload' or 'utf8' or")
    // @ts-expect-error a kind is needed
    expect(() => rule.corrupt()).toThrow("corrupt(kind): expected one of 'payload'")
    expect(() => rule.duplicate(0)).toThrow('duplicate(times): expected a positive integer, got 0')
    expect(() => rule.every(0)).toThrow('every(k): expected a positive integer')
    expect(() => rule.skip(1.5)).toThrow('skip(count): expected a positive integer')
    // @ts-expect-error a value is needed
    expect(() => rule.reply(undefined)).toThrow('reply(value): expected a value or a function')
    // @ts-expect-error a match is needed
    expect(() => rule.holdUntil(undefined)).toThrow('holdUntil(match): expected a match')
    // @ts-expect-error a match is needed
    expect(() => rule.until(undefined)).toThrow('until(match): expected a match')
    expect(() => rule.forbid('')).toThrow('forbid(reason): expected a text')
    // @ts-expect-error a function is no event
    expect(() => rule.after(() => true)).toThrow('after(event): expected the handle of a rule')
    // @ts-expect-error neither is a match
    expect(() => rule.after({ n: 1 })).toThrow('after(event): expected the handle of a rule')
    const error = thrownBy(() => rule.every(-1))
    expect(error.stack?.split('\n')[1]).toContain('message-verbs.test.ts')
    rule.drop()
  })
})

function thrownBy(fn: () => unknown): Error {
  try {
    fn()
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('nothing was thrown')
}
