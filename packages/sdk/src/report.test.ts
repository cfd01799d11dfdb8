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
      "  N ms  GET  https://notes.example.com/time  200, N ms",
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
    expect.stringMatching(/^ {2}N ms {2}tcp {2}notes\.example\.com:443 {2}.*refuse/),
    '  rules: onConnect (report.test.ts:L) acted once',
  ])
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
