import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ProxyOptions } from '../../src/engine.ts'
import { startProxy } from '../../src/proxy.ts'
import { createMatch } from '../../src/rule/match.ts'
import { long } from '../long-run.ts'
import { content, frameBytes } from '../transparency/frames.ts'
import { MemoryWatch } from './memory.ts'
import { openWebSocket, upgradeServer } from './one-web-socket.ts'

const mebibyte = 1024 * 1024
const timeout = long ? 600_000 : 30_000

/** A client and the server's end of its connection, through an engine. */
async function through(options: ProxyOptions): Promise<{ client: Socket; server: Socket; proxy: Awaited<ReturnType<typeof startProxy>> }> {
  const { promise, resolve } = Promise.withResolvers<Socket>()
  const listener = await upgradeServer(resolve)
  onTestFinished(() => listener[Symbol.asyncDispose]())
  const proxy = await startProxy({ adoptUnscoped: true, ...options })
  onTestFinished(() => proxy.close())
  const client = await openWebSocket(listener.port)
  onTestFinished(() => void client.destroy())
  return { client, server: await promise, proxy }
}

/** Sends so many bytes in these pieces over and over, as fast as the system takes them. */
async function pour(socket: Socket, pieces: readonly Buffer[], bytes: number): Promise<void> {
  for (let sent = 0, n = 0; sent < bytes; n++) {
    const piece = pieces[n % pieces.length]!
    const part = piece.subarray(0, Math.min(piece.length, bytes - sent))
    sent += part.length
    if (!socket.write(part)) await once(socket, 'drain')
  }
}

/** Reads so many bytes, looking at the memory on the way; `turns` to rest after each chunk. */
async function drain(socket: Socket, bytes: number, turns: number, memory: MemoryWatch): Promise<void> {
  let looked = 0
  for (let length = 0; length < bytes;) {
    const chunk = socket.read() as Buffer | null
    if (!chunk) {
      await once(socket, 'readable')
      continue
    }
    length += chunk.length
    for (let n = 0; n < turns; n++) await new Promise(resolve => setImmediate(resolve))
    if (length - looked > 8 * mebibyte) {
      looked = length
      memory.look()
    }
  }
}

const frame = frameBytes({ opcode: 2, payload: content(65_536, 3), masked: false, key: 0 })

/** Turns until a sender whose receiver does not read has stopped for good: nothing of it has moved for a hundred of them. */
async function standstill(socket: Socket): Promise<number> {
  let [last, still] = [-1, 0]
  while (still < 100) {
    await new Promise(resolve => setImmediate(resolve))
    const gone = socket.bytesWritten - socket.writableLength
    still = gone === last ? still + 1 : 0
    last = gone
  }
  return last
}

describe('memory stays bounded', () => {
  test.each([
    [4, 32, { journalLimit: 4 * mebibyte }],
    // What the journal keeps by default comes on top.
    [64, 64 + 32, {}],
  ])(
    'a slow reader in front of a fast sender: with a journal of %i MiB the process grows by less than %i MiB (T80)',
    async (_, bound, options) => {
      const total = Math.ceil(((long ? 1024 : 64) * mebibyte) / frame.length) * frame.length
      const { client, server } = await through(options)
      const memory = new MemoryWatch()
      const sending = pour(server, [frame], total)
      await drain(client, total, 2, memory)
      await sending
      expect(memory.growth / mebibyte).toBeLessThan(bound)
    },
    timeout,
  )

  test(
    'a message of 100 MiB streams through when no rule needs it (T68)',
    async () => {
      const size = 100 * mebibyte
      const head = frameBytes({ opcode: 2, payload: Buffer.alloc(0), masked: false, key: 0, declared: BigInt(size) })
      const { client, server, proxy } = await through({ journalLimit: 4 * mebibyte })
      const memory = new MemoryWatch()
      server.write(head)
      const sending = pour(server, [content(65_536, 5)], size)
      await drain(client, head.length + size, 0, memory)
      await sending
      expect(memory.growth / mebibyte).toBeLessThan(32)
      const [message] = [...proxy.journal.read()].flatMap(event => (event.kind === 'message' ? [event.message] : []))
      expect(message).toMatchObject({ from: 'server', binary: true, evicted: true })
    },
    timeout,
  )

  test('a server whose client does not read is not read either (T80)', async () => {
    const { client, server } = await through({})
    client.pause()
    const total = 256 * mebibyte
    const sending = pour(server, [frame], total)
    const gone = await standstill(server)
    // What the buffers of four sockets hold.
    expect(gone / mebibyte).toBeLessThan(48)
    await drain(client, gone, 0, new MemoryWatch())
    server.destroy()
    await Promise.race([sending.catch(() => {}), once(server, 'close')])
  })
})

test('an observer that never comes back blocks nothing (T83)', async () => {
  const { client, server, proxy } = await through({})
  let observed = 0
  proxy.rules.add({
    on: 'message',
    from: 'server',
    scope: proxy.root,
    at: { file: import.meta.url, line: 1, column: 1 },
    start: 'onServerMessage',
    optional: true,
    match: createMatch(),
    action: {
      kind: 'observe',
      fn: () => {
        observed++
        return new Promise<void>(() => {})
      },
    },
    then: [],
  })
  const small = frameBytes({ opcode: 1, payload: content(100, 1), masked: false, key: 0 })
  const sending = pour(server, [small], small.length * 2000)
  await drain(client, small.length * 2000, 0, new MemoryWatch())
  await sending
  expect(observed).toBe(2000)
})
