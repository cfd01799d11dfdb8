import { afterEach, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { json } from './codec/json.ts'
import { host, startTestBed, url } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'
import { TestClient } from './testing/scripted-server.ts'

interface Note {
  readonly n: number
}

let bed: TestBed<Note>
afterEach(async () => {
  vi.useRealTimers()
  await bed[Symbol.asyncDispose]()
})

/** A client with a heartbeat: it says something every 30 s, and gives up a connection that has been silent for 75. */
class Heart {
  readonly socket: WebSocket
  readonly opened: Promise<unknown>
  readonly closed: Promise<unknown>
  readonly received: unknown[] = []
  #beats: NodeJS.Timeout | undefined
  #patience: NodeJS.Timeout | undefined

  constructor() {
    this.socket = new WebSocket(url)
    this.opened = new Promise(resolve => this.socket.once('open', resolve))
    this.closed = new Promise(resolve => this.socket.once('close', resolve))
    this.socket.on('error', () => {})
    this.socket.once('open', () => {
      let n = 0
      this.#beats = setInterval(() => this.socket.send(JSON.stringify({ n: ++n })), 30_000)
      this.#listen()
    })
    this.socket.on('message', data => {
      this.received.push(JSON.parse(String(data)))
      this.#listen()
    })
    this.socket.on('close', () => {
      clearInterval(this.#beats)
      clearTimeout(this.#patience)
    })
  }

  #listen(): void {
    clearTimeout(this.#patience)
    this.#patience = setTimeout(() => this.socket.terminate(), 75_000)
  }
}

test('fake timers freeze a client’s heartbeat, and nothing of the engine (T101)', async () => {
  bed = await startTestBed<Note>({ codec: json<Note>() })
  await bed.run('real clock', async () => {
    vi.useFakeTimers()
    bed.proxy.onConnect({ host, path: '/v1' }).delay(5)
    const heart = new Heart()
    await heart.opened
    bed.proxy.onClientMessage({ n: 1 }).delay(5)
    const held = bed.proxy.onServerMessage({ n: 2 }).hold()
    vi.advanceTimersByTime(60_000)
    // Each of these takes timers of the engine's own: delays, the time that waits are given, and absences.
    await (
      await bed.proxy.waitForServerMessage({ n: 1 })
    ).whenDelivered
    await held.next()
    await bed.proxy.expectNoServerMessage({ n: 3 }, { for: 5 })
    await expect(bed.proxy.waitForServerMessage({ n: 4 }, { timeout: 5 })).rejects.toMatchObject({ code: 'MIDWIRE_UNMET' })
    const handled = bed.proxy.onClientMessage({ n: 3 }).handle(async () => {
      await new Promise(resolve => setImmediateReally(resolve))
    })
    vi.advanceTimersByTime(30_000)
    await handled.waitForHit()
    await bed.proxy.waitForServerMessage({ n: 3 })
    held.releaseAll()
    heart.socket.close()
    await heart.closed
  })
})

test('with the clock of the test, two minutes of silence pass in no time, and the client gives up when its own time is over', async () => {
  bed = await startTestBed<Note>({ codec: json<Note>(), clock: 'test' })
  await bed.run('test clock', async () => {
    vi.useFakeTimers()
    const late = bed.proxy.onServerMessage({ n: 1 }).delay(120_000)
    const heart = new Heart()
    await heart.opened
    await vi.advanceTimersByTimeAsync(30_000)
    await late.waitForHit()
    // 45 s more, and the client has heard nothing for 75.
    await vi.advanceTimersByTimeAsync(44_999)
    expect(bed.proxy.connection.state).toBe('open')
    await vi.advanceTimersByTimeAsync(1)
    await heart.closed
    expect(heart.received).toEqual([])
  })
})

test('a delay is over when the time of the test says so, to the millisecond, and the journal tells that time', async () => {
  bed = await startTestBed<Note>({ codec: json<Note>(), clock: 'test' })
  await bed.run('test clock', async () => {
    vi.useFakeTimers()
    const client = await TestClient.open(url)
    const late = bed.proxy.onServerMessage({ n: 1 }).delay(120_000)
    client.send({ n: 1 })
    const message = await late.waitForHit()
    vi.advanceTimersByTime(119_999)
    expect(message.settled).toBe(false)
    vi.advanceTimersByTime(1)
    await message.whenDelivered
    await client.gets(1)
    client.send({ n: 2 })
    const next = await bed.proxy.waitForClientMessage({ n: 2 })
    expect(next.at - message.at).toBe(120_000)
  })
})

test('handshakes wait on the clock of the test, too', async () => {
  bed = await startTestBed<Note>({ codec: json<Note>(), clock: 'test' })
  await bed.run('test clock', async () => {
    vi.useFakeTimers()
    const late = bed.proxy.onConnect({ host, path: '/v1' }).delay(60_000)
    const client = new TestClient(url)
    await late.waitForHit()
    vi.advanceTimersByTime(60_000)
    await client.opened
  })
})

test('what is on its way on a slow network gets there when the time of the test says so', async () => {
  bed = await startTestBed<Note>({ codec: json<Note>(), clock: 'test' })
  await bed.run('test clock', async () => {
    vi.useFakeTimers()
    const client = await TestClient.open(url)
    bed.proxy.network({ latency: 45_000, from: 'client' })
    client.send({ n: 1 })
    const message = await bed.proxy.waitForClientMessage({ n: 1 })
    await message.whenDelivered
    vi.advanceTimersByTime(44_999)
    expect(client.received).toEqual([])
    vi.advanceTimersByTime(1)
    expect(await client.gets(1)).toEqual([{ n: 1 }])
  })
})

test('without fake timers the clock of the test is the real one', async () => {
  bed = await startTestBed<Note>({ codec: json<Note>(), clock: 'test' })
  await bed.run('test clock', async () => {
    bed.proxy.onServerMessage({ n: 1 }).delay(5)
    const client = await TestClient.open(url)
    client.send({ n: 1 })
    expect(await client.gets(1)).toEqual([{ n: 1 }])
  })
})

test('where the time of a test stands still, its waits and decisions come to an end all the same', async () => {
  bed = await startTestBed<Note>({ codec: json<Note>(), clock: 'test', decisionTimeout: 20 })
  const { errors } = await bed.run('frozen', async () => {
    vi.useFakeTimers()
    bed.proxy.onClientMessage({ n: 1 }).handle(() => new Promise(() => {}))
    bed.proxy.onServerMessage({ n: 2 }).delay(1000)
    const client = await TestClient.open(url)
    client.send({ n: 1 })
    client.send({ n: 2 })
    expect(await client.gets(1)).toEqual([{ n: 1 }])
    await expect(bed.proxy.waitForServerMessage({ n: 9 }, { timeout: 5 })).rejects.toMatchObject({ code: 'MIDWIRE_UNMET' })
    // Its connection ends with the test, though a message of it still waits.
  })
  expect(errors).toEqual([expect.objectContaining({ message: expect.stringContaining('did not answer within 20 ms') })])
})

const setImmediateReally = setImmediate
