import { Agent } from 'node:http'
import { Stream } from 'node:stream'
import { queryObjects } from 'node:v8'
import { expect, onTestFinished, test } from 'vitest'
import { expectNothingLeft } from '../../src/capture/testing/nothing-left.ts'
import { HttpConnection } from '../../src/http/http-connection.ts'
import { Leg } from '../../src/io/leg.ts'
import { Journal } from '../../src/journal/journal.ts'
import { startProxy } from '../../src/proxy.ts'
import { Session } from '../../src/session/session.ts'
import { long } from '../long-run.ts'
import { turnsUntil } from '../turns.ts'
import { resources, settledHeap } from './memory.ts'
import { echoAndClose, openAndClose, upgradeServer } from './one-web-socket.ts'

const timeout = long ? 600_000 : 30_000

const Timeout = setTimeout(() => {}).constructor

/** What lives as long as a connection, and no longer: counted on the heap, so that no map, listener or timer can hide one. */
// Each count is a walk through the whole heap.
const perConnection = long ? { Stream, Agent, Timeout, Leg, HttpConnection, Session } : { Stream, Session }

async function living(kinds: Readonly<Record<string, Function>>): Promise<Record<string, number>> {
  await settledHeap()
  return Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, queryObjects(kind as never, { format: 'count' })]))
}

async function cycle(port: number, times: number): Promise<void> {
  const one = async (): Promise<void> => {
    for (let n = 0; n < times / 10; n++) expect(await openAndClose(port)).toBe(26)
  }
  await Promise.all(Array.from({ length: 10 }, one))
}

test(
  'connections that have closed leave nothing but their lines in the journal (T84)',
  async () => {
    const server = await upgradeServer(echoAndClose)
    onTestFinished(() => server[Symbol.asyncDispose]())
    const before = resources()
    const times = long ? 10_000 : 200
    {
      await using proxy = await startProxy({ adoptUnscoped: true, journalLimit: 0 })
      // What is made once.
      await cycle(server.port, 20)
      const warm = await living(perConnection)
      const heap = await settledHeap()
      await cycle(server.port, times)
      expect(proxy.connections).toHaveLength(times + 20)
      await turnsUntil('the last connection to close', () => proxy.connections.every(({ state }) => state === 'closed'))
      expect(await living(perConnection)).toEqual(warm)
      if (long) expect(((await settledHeap()) - heap) / times).toBeLessThan(10 * 1024)
    }
    expect(await living({ Leg, Session })).toEqual({ Leg: 0, Session: 0 })
    expect(resources()).toEqual(before)
  },
  timeout,
)

test(
  'starts and stops leave nothing',
  async () => {
    const server = await upgradeServer(echoAndClose)
    onTestFinished(() => server[Symbol.asyncDispose]())
    const startAndStop = async (): Promise<void> => {
      const proxy = await startProxy({ adoptUnscoped: true })
      proxy.proxyUrl()
      proxy.urlFor(`ws://127.0.0.1:${server.port}`)
      await openAndClose(server.port)
      await proxy.close()
    }
    const kinds = { ...perConnection, Journal }
    for (let n = 0; n < 5; n++) await startAndStop()
    const before = { resources: resources(), living: await living(kinds), listeners: listeners(), heap: await settledHeap() }
    const times = long ? 1000 : 30
    for (let n = 0; n < times; n++) await startAndStop()
    expectNothingLeft()
    expect({ resources: resources(), living: await living(kinds), listeners: listeners() }).toEqual({
      resources: before.resources,
      living: before.living,
      listeners: before.listeners,
    })
    if (long) expect((await settledHeap()) - before.heap).toBeLessThan(2 * 1024 * 1024)
  },
  timeout,
)

function listeners(): Record<string, number> {
  return Object.fromEntries(process.eventNames().map(name => [String(name), process.listenerCount(name)]))
}
