import { describe, expect, test } from 'vitest'
import { json } from './codec/json.ts'
import { startInterceptionProxy, withInterceptionProxy } from './start.ts'
import { startEchoServer, TestClient } from './testing/scripted-server.ts'

interface Note {
  readonly n: number
  readonly text?: string
}

test('a rule drops a message of an unmodified client at its default host, and a wait sees the next (T94)', async () => {
  await using server = await startEchoServer()
  await using proxy = await startInterceptionProxy({ codec: json<Note>(), route: { 'notes.example.com': server.url } })
  const lost = proxy.onClientMessage({ n: 1 }).once().drop()
  const client = await TestClient.open('wss://notes.example.com/v1?key=a')
  client.send({ n: 1 })
  client.send({ n: 2 })
  const echoed = await proxy.waitForServerMessage({ n: 2 })
  expect(echoed.value).toEqual({ n: 2 })
  expect(echoed.connection).toMatchObject({ host: 'notes.example.com', path: '/v1', attempt: 1, query: { key: 'a' } })
  expect(lost.hits).toBe(1)
  expect(lost.messages.map(message => message.value)).toEqual([{ n: 1 }])
  expect(await client.gets(1)).toEqual([{ n: 2 }])
  expect(proxy.transcript()).toMatch(
    /connection 1, open\n.*client → server .*\{ n: 1 \} +dropped by onClientMessage \(start.test.ts:\d+\)\n/,
  )
})

test('an unknown option is an error at its line, naming the known ones', async () => {
  const error: unknown = await startInterceptionProxy({ routes: {} } as object).catch((reason: unknown) => reason)
  expect(error).toMatchObject({ code: 'MIDWIRE_BAD_INPUT' })
  expect(String(error)).toContain('startInterceptionProxy() options: unknown key "routes"; known are "codec", "route", "intercept"')
  expect((error as Error).stack?.split('\n')[1]).toContain('start.test.ts')
})

test('when it is disposed, sockets are direct again, and using it is an error', async () => {
  await using server = await startEchoServer()
  const { port } = new URL(server.url)
  const proxy = await startInterceptionProxy({ codec: json<Note>() })
  await proxy[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  const client = await TestClient.open(`ws://127.0.0.1:${port}`)
  client.send({ n: 1 })
  expect(await client.gets(1)).toEqual([{ n: 1 }])
  expect(() => proxy.connections).toThrow('which has ended')
})

describe('at its end it throws', () => {
  const unused = /the rule onMessage\(\)\.drop\(\) never matched/

  test('the one thing that must fail the test', async () => {
    const run = async (): Promise<void> => {
      await using proxy = await startInterceptionProxy()
      proxy.onMessage().drop()
    }
    await expect(run()).rejects.toThrow(unused)
  })

  test('several things as one error that holds them', async () => {
    const run = async (): Promise<void> => {
      await using proxy = await startInterceptionProxy()
      proxy.onMessage().drop()
      proxy.onClientMessage()
    }
    await expect(run()).rejects.toSatisfy(
      error => error instanceof AggregateError && error.errors.length === 2 && unused.test(error.message),
    )
  })

  test('nothing in front of a wait that failed', async () => {
    const run = async (): Promise<void> => {
      await using proxy = await startInterceptionProxy({ waitTimeout: 1 })
      proxy.onMessage().drop()
      await proxy.waitForConnection()
    }
    await expect(run()).rejects.toMatchObject({ code: 'MIDWIRE_UNMET' })
  })

  test('beside the test’s own error, which is kept', async () => {
    const run = async (): Promise<void> => {
      await using proxy = await startInterceptionProxy()
      proxy.onMessage().drop()
      throw new Error('its own')
    }
    await expect(run()).rejects.toMatchObject({ suppressed: { message: 'its own' }, error: { code: 'MIDWIRE_UNUSED_RULE' } })
  })
})

describe('withInterceptionProxy', () => {
  test('returns what its function returns', async () => {
    expect(await withInterceptionProxy({}, proxy => proxy.connections.length)).toBe(0)
  })

  test('throws what must fail the test, but never in front of the test’s own error', async () => {
    await expect(withInterceptionProxy({}, async proxy => void proxy.onMessage().drop())).rejects.toThrow('never matched')
    const own = withInterceptionProxy({}, async proxy => {
      proxy.onMessage().drop()
      throw new Error('its own')
    })
    await expect(own).rejects.toThrow(/^its own$/)
  })
})
