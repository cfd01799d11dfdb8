import { afterEach, expect, test } from 'vitest'
import { json } from './codec/json.ts'
import { TestClient } from './testing/scripted-server.ts'
import { startTestBed, url } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'

interface Note {
  readonly n: number
  readonly text?: string
}

let bed: TestBed<Note>

afterEach(async () => {
  await bed[Symbol.asyncDispose]()
})

/** Times and ports differ from run to run; columns are as wide as they must be. */
function steady(transcript: string): string[] {
  return transcript
    .replace(/\+?\d+ ms/g, 'N ms')
    .replace(/\(([\w.-]+\.test\.ts):\d+\)/g, '($1:L)')
    .replace(/ {2,}/g, '  ')
    .split('\n')
}

test('a transcript shows messages and their fate, control frames, what Midwire itself sent, closings, requests and rules', async () => {
  bed = await startTestBed({ codec: json<Note>() })
  const { proxy, control } = bed
  const { scope } = await bed.run('a test', async () => {
    proxy.onClientMessage({ n: 1 }).named('lose').drop()
    proxy.onServerMessage({ n: 2 }).replace({ n: 20 })
    proxy.onServerMessage({ n: 3 }).delay(1)
    const held = proxy.onServerMessage({ n: 4 }).hold()
    const client = await TestClient.open(url)
    for (let n = 1; n <= 4; n++) {
      client.send({ n })
      if (n > 1) await proxy.waitForServerMessage({ n })
    }
    await held.next()
    held.release()
    await client.gets(3)
    client.socket.send('no json')
    await client.gets(4)
    client.socket.ping('beat')
    await proxy.waitFor(event => event.kind === 'pong')
    proxy.connection.sendToClient({ n: 5 })
    await client.gets(5)
    await fetch('https://notes.example.com/time').then(response => response.text())
    client.socket.close(4000, 'done')
    await client.closed
    await proxy.waitFor(event => event.kind === 'end', { nth: 2 })
  })
  expect(steady(control.transcript(scope))).toMatchInlineSnapshot(`
    [
      "  wss://notes.example.com/v1  connection 1, closed",
      "  N ms  client → server  text  7 B  { n: 1 }  dropped by "lose" (report.test.ts:L)",
      "  N ms  client → server  text  7 B  { n: 2 }",
      "  N ms  server → client  text  7 B  { n: 2 }  replaced by onServerMessage (report.test.ts:L): { n: 20 }",
      "  N ms  client → server  text  7 B  { n: 3 }",
      "  N ms  server → client  text  7 B  { n: 3 }  delayed N ms by onServerMessage (report.test.ts:L)",
      "  N ms  client → server  text  7 B  { n: 4 }",
      "  N ms  server → client  text  7 B  { n: 4 }  held, then released, by onServerMessage (report.test.ts:L)",
      "  N ms  client → server  text  7 B  not decodable: json: Unexpected token 'o', "no json" is not valid JSON",
      "  N ms  server → client  text  7 B  not decodable: json: Unexpected token 'o', "no json" is not valid JSON",
      "  N ms  client → server  ping  4 B",
      "  N ms  server → client  pong  4 B",
      "  N ms  Midwire → client  text  7 B  { n: 5 }",
      "  N ms  client → server  close  4000 "done"",
      "  N ms  server → client  close  4000 "done"",
      "  N ms  server → client  FIN",
      "  N ms  client → server  FIN",
      "  HTTP requests",
      "  N ms  GET  https://notes.example.com/time  200, N ms, 5 B",
      "  rules: "lose" (report.test.ts:L) acted once · onServerMessage (report.test.ts:L) acted once · onServerMessage (report.test.ts:L) acted once · onServerMessage (report.test.ts:L) acted once",
    ]
  `)
})

test('a transcript shows connects that came to nothing', async () => {
  bed = await startTestBed({ codec: json<Note>() })
  const { scope } = await bed.run('a test', async () => {
    bed.proxy.onConnect().refuse()
    await new TestClient(url).opened.catch(() => {})
  })
  expect(steady(bed.control.transcript(scope))).toEqual([
    '  TCP',
    '  N ms  tcp  notes.example.com:443  refused by onConnect (report.test.ts:L)',
    '  rules: onConnect (report.test.ts:L) acted once',
  ])
})

test('a transcript shows handshakes that were refused, with the status and who refused', async () => {
  bed = await startTestBed({ codec: json<Note>() })
  bed.server.refuseNext(503)
  const { scope } = await bed.run('a test', async () => {
    await new TestClient(url).opened.catch(() => {})
    bed.proxy.onConnect().named('keep out').once().respondWith(401, 'no')
    await new TestClient(url).opened.catch(() => {})
    bed.proxy.onConnect().once().reset()
    await new TestClient(url).opened.catch(() => {})
    expect((await bed.proxy.waitFor(event => event.kind === 'refused')).kind).toBe('refused')
  })
  expect(steady(bed.control.transcript(scope))).toEqual([
    '  wss://notes.example.com/v1  connection 1, never open',
    '  N ms  refused  503 Service Unavailable from upstream',
    '  wss://notes.example.com/v1  connection 2, attempt 2, never open',
    '  N ms  refused  401 Unauthorized by "keep out" (report.test.ts:L)',
    '  wss://notes.example.com/v1  connection 3, attempt 3, never open',
    '  N ms  refused  reset by onConnect (report.test.ts:L)',
    expect.stringContaining('rules: '),
  ])
})

test('a transcript shows what was discarded with its connection, and never as delivered (T103)', async () => {
  bed = await startTestBed({ codec: json<Note>() })
  const { scope } = await bed.run('a test', async () => {
    const { proxy } = bed
    proxy.onClientMessage({ n: 2 }).drop().thenTerminate()
    proxy.onServerMessage({ n: 0 }).hold()
    const client = await TestClient.open(url)
    client.send({ n: 0 })
    await proxy.waitForServerMessage({ n: 0 })
    // One segment, so that all of them have arrived when the connection ends.
    client.sendTogether([{ n: 1 }, { n: 2 }, { n: 3 }])
    await client.closed
    const [, , , last] = await Promise.all([0, 1, 2, 3].map(n => proxy.waitForClientMessage({ n })))
    expect(last?.delivered).toBeUndefined()
    expect(await last?.whenDelivered).toBeUndefined()
    expect((await proxy.waitForClientMessage({ n: 1 }, { nth: 1 })).delivered).toBeDefined()
  })
  expect(steady(bed.control.transcript(scope)).filter(line => line.includes('{ n:'))).toEqual([
    '  N ms  client → server  text 7 B  { n: 0 }',
    '  N ms  server → client  text 7 B  { n: 0 }  held by onServerMessage (report.test.ts:L), then discarded',
    '  N ms  client → server  text 7 B  { n: 1 }',
    '  N ms  client → server  text 7 B  { n: 2 }  dropped by onClientMessage (report.test.ts:L)',
    '  N ms  client → server  text 7 B  { n: 3 }  discarded',
  ])
})

test('a transcript shows what rules did with control frames, and what was sent past the codec', async () => {
  bed = await startTestBed({ codec: json<Note>() })
  const { scope } = await bed.run('a test', async () => {
    const { proxy } = bed
    proxy.onPing().named('no ping').drop()
    proxy.onClose({ from: 'server' }).replace(4001, 'other')
    const client = await TestClient.open(url)
    client.socket.ping('lost')
    await proxy.waitFor(event => event.kind === 'ping')
    proxy.connection.sendRawToClient('no json')
    await client.gets(1)
    for (const socket of bed.server.sockets) socket.close(4000, 'one')
    await client.closed
  })
  expect(steady(bed.control.transcript(scope)).slice(1, 6)).toEqual([
    '  N ms  client → server  ping  4 B',
    '  N ms  note  ping from the client dropped by "no ping" (report.test.ts:L)',
    '  N ms  Midwire → client  text  7 B  "no json"',
    '  N ms  server → client  close  4000 "one"',
    '  N ms  note  close frame from the server replaced by onClose (report.test.ts:L): 4001 "other"',
  ])
})

test('a failure shows the seed once something random has mattered', async () => {
  bed = await startTestBed({ codec: json<Note>(), seed: 4711 })
  const fail = async (change: () => void): Promise<string> => {
    const { thrown } = await bed.runFailing('a test', async () => {
      change()
      const client = await TestClient.open(url)
      client.send({ n: 1 })
      await client.gets(1)
      await bed.proxy.waitForClientMessage({ n: 9 }, { timeout: 1 })
    })
    return thrown.message
  }
  expect(await fail(() => {})).not.toContain('seed')
  // The proxy's own frames to a server are masked (RFC 6455 §5.3).
  expect(await fail(() => void bed.proxy.onClientMessage({ n: 1 }).patch({ text: 'x' }))).toMatch(/\n {2}seed: 4711 \(/)
})

test('a wait says when payloads that it needed have gone from the journal', async () => {
  bed = await startTestBed({ codec: json<Note>(), journalLimit: 100 })
  const { thrown } = await bed.runFailing('a test', async () => {
    const client = await TestClient.open(url)
    for (let n = 1; n <= 3; n++) {
      client.send({ n, text: 'x'.repeat(200) })
      await client.gets(n)
    }
    await bed.proxy.waitForClientMessage({ n: 1 }, { timeout: 1 })
  })
  expect(thrown).toMatchObject({ code: 'MIDWIRE_UNMET' })
  expect(thrown.message).toMatch(/\n {2}payloads of \d messages had gone from the journal and could not be matched; raise journalLimit/)
  expect(thrown.message).toContain('gone from the journal')
})
