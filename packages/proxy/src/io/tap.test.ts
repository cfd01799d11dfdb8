import { once } from 'node:events'
import { buffer } from 'node:stream/consumers'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { echoServer } from '../../test/echo-server.ts'
import { type EngineFailure, startProxy } from '../index.ts'

/** Sends these messages through an echo, one after the other, and closes. */
async function converse(url: string, messages: readonly (string | Buffer)[]): Promise<string[]> {
  const socket = new WebSocket(url)
  const answers: string[] = []
  await once(socket, 'open')
  for (const message of messages) {
    socket.send(message)
    const [answer] = (await once(socket, 'message')) as [Buffer]
    answers.push(String(answer))
  }
  socket.close(1000)
  await once(socket, 'close')
  return answers
}

describe('a tap', () => {
  test('is given the bytes of either side as they come, and their ends', async () => {
    await using server = await echoServer()
    await using engine = await startProxy({ adoptUnscoped: true })
    const seen: { url: string; fromClient: ReadableStream<Uint8Array>; fromServer: ReadableStream<Uint8Array> }[] = []
    using _tap = engine.tap(({ url }, fromClient, fromServer) => {
      seen.push({ url, fromClient, fromServer })
    })
    const url = `ws://127.0.0.1:${server.port}/a?b=1`
    expect(await converse(url, ['one', 'two'])).toEqual(['one', 'two'])
    expect(seen.map(one => one.url)).toEqual([url])
    // Late, and still from the start.
    expect((await buffer(seen[0]!.fromServer)).subarray(0, 10)).toEqual(Buffer.from('\x81\x03one\x81\x03two', 'latin1'))
    const fromClient = await buffer(seen[0]!.fromClient)
    expect([fromClient[0], fromClient[1]]).toEqual([0x81, 0x80 | 3])
    expect(fromClient.length).toBe(9 + 9 + 8)
  })

  test('that nobody reads holds up nothing, and says what it lost (T83)', async () => {
    await using server = await echoServer()
    await using engine = await startProxy({ adoptUnscoped: true })
    const kept: ReadableStream<Uint8Array>[] = []
    using _tap = engine.tap((_request, ...streams) => kept.push(...streams), { limit: 100_000 })
    const message = Buffer.alloc(40_000, 'x')
    expect(await converse(`ws://127.0.0.1:${server.port}/`, Array<Buffer>(10).fill(message))).toHaveLength(10)
    const notes = [...engine.journal.read()].flatMap(event => (event.kind === 'note' ? [event.text] : []))
    expect(notes).toEqual(
      expect.arrayContaining([
        'a tap fell behind by 100000 bytes from the client; the traffic went on without it',
        'a tap fell behind by 100000 bytes from the server; the traffic went on without it',
      ]),
    )
    expect(notes).toHaveLength(2)

    const reader = kept[1]!.getReader()
    let size = 0
    const all = (async () => {
      for (let next = await reader.read(); !next.done; next = await reader.read()) size += next.value.length
    })()
    await expect(all).rejects.toThrow('fell behind by 100000 bytes')
    expect(size).toBeGreaterThan(0)
    expect(size).toBeLessThanOrEqual(100_000)
  })

  test('whose reader has gone loses nothing for others', async () => {
    await using server = await echoServer()
    await using engine = await startProxy({ adoptUnscoped: true })
    let other: Promise<Buffer> | undefined
    using _gone = engine.tap((_request, fromClient, fromServer) => {
      void fromClient.cancel()
      void fromServer.cancel()
    })
    using _other = engine.tap((_request, _fromClient, fromServer) => {
      other = buffer(fromServer)
    })
    expect(await converse(`ws://127.0.0.1:${server.port}/`, ['one'])).toEqual(['one'])
    expect(String(await other).slice(2, 5)).toBe('one')
    expect([...engine.journal.read()].filter(({ kind }) => kind === 'note')).toEqual([])
  })

  test('that throws is told of, and the traffic goes on', async () => {
    await using server = await echoServer()
    const failures: EngineFailure[] = []
    await using engine = await startProxy({ adoptUnscoped: true, onFailure: failure => failures.push(failure) })
    using _tap = engine.tap(() => {
      throw new Error('no room')
    })
    expect(await converse(`ws://127.0.0.1:${server.port}/`, ['one'])).toEqual(['one'])
    expect(failures.map(({ error }) => error.message)).toEqual([`a tap threw for ws://127.0.0.1:${server.port}/: no room`])
  })

  test('that was taken off hears of no further connection', async () => {
    await using server = await echoServer()
    await using engine = await startProxy({ adoptUnscoped: true })
    const seen: string[] = []
    const tap = engine.tap(({ path }) => seen.push(path))
    await converse(`ws://127.0.0.1:${server.port}/first`, [])
    tap[Symbol.dispose]()
    await converse(`ws://127.0.0.1:${server.port}/second`, [])
    expect(seen).toEqual(['/first'])
  })

  test('is refused where it cannot be meant', async () => {
    await using engine = await startProxy({ capture: false })
    expect(() => engine.tap(() => {}, { limit: 0 })).toThrow('tap(fn, { limit }): 0 — expected a number of bytes, 1 or more')
  })
})
