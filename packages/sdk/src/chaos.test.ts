import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { ChaosFault } from './chaos-draw.ts'
import { json } from './codec/json.ts'
import type { InterceptionProxy } from './interception-proxy.ts'
import { startTestBed, url } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'
import { TestClient } from './testing/scripted-server.ts'

interface Note {
  readonly n: number
}

let bed: TestBed<Note>
beforeEach(async () => {
  bed = await startTestBed<Note>({ codec: json<Note>(), seed: 4711 })
})
afterEach(() => bed[Symbol.asyncDispose]())

/** Sends so many notes and waits until all that comes of them has come. */
async function talk(proxy: InterceptionProxy<Note>, count: number): Promise<readonly unknown[]> {
  const client = await TestClient.open(url)
  const connection = proxy.connections.at(-1)!
  const gone = new AbortController()
  void client.closed.then(() => gone.abort())
  for (let n = 1; n <= count; n++) client.send({ n })
  try {
    await proxy.waitFor(
      event => event.kind === 'message' && event.connection === connection && event.from === 'client' && event.message.index === count - 1,
      { signal: gone.signal },
    )
    await connection.flushed({ to: 'server' })
    await connection.flushed({ to: 'client' })
  } catch (error) {
    if (connection.state !== 'closed') throw error
    await client.closed
  }
  return client.received
}

test('messages meet the faults that are drawn for them, which are told in order', async () => {
  await bed.run('soak', async () => {
    const chaos = bed.proxy.chaos({ from: 'client', drop: 0.2, duplicate: 0.2 })
    const received = await talk(bed.proxy, 50)
    const expected: unknown[] = []
    for (let n = 1; n <= 50; n++) {
      if (chaos.faults.includes(`#1 client ${n} drop`)) continue
      expected.push({ n })
      if (chaos.faults.includes(`#1 client ${n} duplicate`)) expected.push({ n })
    }
    expect(received).toEqual(expected)
    expect(chaos.faults.length).toBeGreaterThan(8)
  })
})

test('the same seed and the same traffic meet the same faults, whatever connections do beside', async () => {
  const odds = { drop: 0.1, duplicate: 0.1, delay: { p: 0.1, ms: [1, 4] } } as const
  const soak = (clients: number): Promise<readonly ChaosFault[]> =>
    new Promise((resolve, reject) => {
      bed
        .run('soak', async () => {
          const chaos = bed.proxy.chaos({ ...odds, seed: 7 })
          await Promise.all(Array.from({ length: clients }, () => talk(bed.proxy, 40)))
          resolve(chaos.faults.filter(fault => fault.startsWith('#1 client')))
        })
        .catch(reject)
    })
  const alone = await soak(1)
  expect(alone.length).toBeGreaterThan(3)
  expect(await soak(1)).toEqual(alone)
  expect(await soak(3)).toEqual(alone)
})

test('each test, and each repetition of one, draws for itself; the same run draws the same again', async () => {
  const seeds = async (...names: string[]): Promise<(number | undefined)[]> => {
    const all: (number | undefined)[] = []
    for (const name of names)
      await bed.run(name, async () => void all.push(bed.proxy.chaos({ drop: 0.5 }).seed, bed.proxy.chaos({ drop: 0.5 }).seed))
    return all
  }
  const first = await seeds('a', 'b', 'a')
  expect(new Set(first).size).toBe(6)
  await bed[Symbol.asyncDispose]()
  bed = await startTestBed<Note>({ codec: json<Note>(), seed: 4711 })
  expect(await seeds('b')).toEqual(first.slice(2, 4))
  await bed[Symbol.asyncDispose]()
  bed = await startTestBed<Note>({ codec: json<Note>(), seed: 4712 })
  expect(await seeds('b')).not.toEqual(first.slice(2, 4))
})

test('a fault takes no draw from another, and messages of Midwire’s own shift none', async () => {
  const soak = async (disturb: boolean): Promise<readonly ChaosFault[]> => {
    let faults: readonly ChaosFault[] = []
    await bed.run('soak', async () => {
      const chaos = bed.proxy.chaos({ from: 'client', drop: 0.2, seed: 7 })
      if (disturb) bed.proxy.onServerMessage({ n: 1 }).optional().patch({ n: 100 })
      const client = await TestClient.open(url)
      if (disturb) bed.proxy.connection.sendToServer({ n: 99 })
      for (let n = 1; n <= 40; n++) client.send({ n })
      await bed.proxy.waitForClientMessage({ n: 40 })
      await bed.proxy.connection.flushed({ to: 'server' })
      faults = chaos.faults
    })
    return faults
  }
  expect(await soak(true)).toEqual(await soak(false))
})

test('a disconnect takes its message with it, and ends the connection without a close frame', async () => {
  await bed.run('soak', async () => {
    const chaos = bed.proxy.chaos({ match: { n: 2 }, from: 'client', disconnect: 1 })
    const client = await TestClient.open(url)
    client.send({ n: 1 })
    await client.gets(1)
    client.send({ n: 2 })
    expect(await client.closed).toEqual({ code: 1006, reason: '' })
    expect(client.received).toEqual([{ n: 1 }])
    expect(chaos.faults).toEqual(['#1 client 2 disconnect'])
  })
})

test('a replay applies exactly its faults, and nothing else', async () => {
  await bed.run('replay', async () => {
    const faults: ChaosFault[] = ['#1 client 2 drop', '#1 server 2 duplicate', '#1 client 4 delay 5', '#9 client 1 drop']
    const replay = bed.proxy.replay(faults)
    // 2 goes lost, so that the echo of 3 is the server's second message.
    expect(await talk(bed.proxy, 5)).toEqual([{ n: 1 }, { n: 3 }, { n: 3 }, { n: 4 }, { n: 5 }])
    expect(replay.faults).toEqual(['#1 client 2 drop', '#1 client 4 delay 5', '#1 server 2 duplicate'])
    expect(String(replay)).toMatch(/^replay \(.*chaos\.test\.ts:\d+\): 3 of 4 faults applied; not '#9 client 1 drop'$/)
  })
})

test('what chaos has applied, replayed, gives the same traffic', async () => {
  let faults: readonly ChaosFault[] = []
  let received: readonly unknown[] = []
  await bed.run('soak', async () => {
    const chaos = bed.proxy.chaos({ drop: 0.1, duplicate: 0.1, disconnect: 0.01 })
    received = [await talk(bed.proxy, 30), await talk(bed.proxy, 30)]
    ;({ faults } = chaos)
  })
  expect(faults.length).toBeGreaterThan(5)
  await bed.run('again', async () => {
    const replay = bed.proxy.replay(faults)
    expect([await talk(bed.proxy, 30), await talk(bed.proxy, 30)]).toEqual(received)
    expect(replay.faults).toEqual(faults)
  })
})

test('a failure shows the seed and the faults, to be copied into the test', async () => {
  const { thrown } = await bed.runFailing('soak', async () => {
    bed.proxy.chaos({ from: 'client', drop: 1, seed: 7 })
    const client = await TestClient.open(url)
    client.send({ n: 1 })
    client.send({ n: 2 })
    await bed.proxy.waitForServerMessage({ n: 2 }, { timeout: 50 })
  })
  expect(thrown.message).toMatch(
    /\n {2}chaos \(.*chaos\.test\.ts:\d+\), seed 7: 2 faults in 2 messages; the same again, and nothing else:\n {4}proxy\.replay\(\['#1 client 1 drop', '#1 client 2 drop'\]\)$/,
  )
  expect(thrown.message).toMatch(/dropped by chaos \(/)
})

test('the seed of the run is shown where chaos was drawn from it', async () => {
  const { thrown } = await bed.runFailing('soak', async () => {
    bed.proxy.chaos({ drop: 0.5 })
    await bed.proxy.waitForServerMessage({ timeout: 1 } as never, { timeout: 20 })
  })
  expect(thrown.message).toMatch(/\n {2}seed: 4711 \(MIDWIRE_SEED=4711 draws the same again\)$/)
})

test('chaos that never acted fails no test; disposed, it acts no more', async () => {
  const { errors } = await bed.run('calm', async () => {
    using chaos = bed.proxy.chaos({ drop: 1 })
    chaos.dispose()
    expect(await talk(bed.proxy, 2)).toEqual([{ n: 1 }, { n: 2 }])
    expect(chaos.faults).toEqual([])
  })
  expect(errors).toEqual([])
})

test('chaos of one client leaves the others alone', async () => {
  await bed.run('two clients', async () => {
    bed.proxy.client({ path: '/v1/loud' }).chaos({ from: 'client', drop: 1 })
    const loud = await TestClient.open(`${url}/loud`)
    const quiet = await TestClient.open(`${url}/quiet`)
    loud.send({ n: 1 })
    quiet.send({ n: 2 })
    await quiet.gets(1)
    for (const connection of bed.proxy.connections) await connection.flushed({ to: 'server' })
    expect(loud.received).toEqual([])
  })
})

describe('what cannot be meant is an error at its line', () => {
  test.each([
    [{}, 'expected odds, such as { drop: 0.05 }'],
    [{ drop: 2 }, 'chaos({ drop }): expected a probability from 0 to 1, got 2'],
    [{ drop: 0.6, duplicate: 0.6 }, 'all odds add up to 1 at most, got 1.2'],
    [{ lose: 0.1 }, 'unknown key "lose"'],
    [{ delay: { p: 0.1, ms: 5 } }, 'chaos({ delay: { ms } }): expected [min, max], in ms'],
    [{ delay: { p: 0.1, ms: [5, 1] } }, 'expected [min, max], got [5, 1]'],
    [{ drop: 0.1, from: 'peer' }, "expected 'client' or 'server', got peer"],
    [{ drop: 0.1, seed: 0.5 }, 'expected an integer, got 0.5'],
  ])('chaos(%j)', async (options, text) => {
    await bed.run('bad', async () => expect(() => bed.proxy.chaos(options as never)).toThrow(text))
  })

  test.each([
    [['#1 client 1 lose'], `expected faults such as '#1 client 3 drop', got "#1 client 1 lose"`],
    [['#1 client 1 drop', '#1 client 1 delay 5'], "two faults for one message: '#1 client 1 delay 5'"],
    ['#1 client 1 drop', 'expected a list of faults, got string'],
  ])('replay(%j)', async (faults, text) => {
    await bed.run('bad', async () => expect(() => bed.proxy.replay(faults as never)).toThrow(text))
  })
})
