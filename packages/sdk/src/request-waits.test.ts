import { request as httpsRequest } from 'node:https'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { checkRequested } from './checks.ts'
import { json } from './codec/json.ts'
import { startRecordingServer } from './testing/http-server.ts'
import type { RecordingServer } from './testing/http-server.ts'
import { startTestBed } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'

const url = 'https://api.example.com/keys'

let server: RecordingServer
let bed: TestBed<unknown>

beforeEach(async () => {
  server = await startRecordingServer()
  bed = await startTestBed<unknown>({ codec: json(), route: { 'api.example.com': server.url } })
})

afterEach(async () => {
  await bed[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** Runs `fn` as a test that must pass. */
async function passes(fn: () => Promise<void>): Promise<void> {
  const { errors } = await bed.run('a test', fn)
  expect(errors).toEqual([])
}

function post(body: unknown): Promise<Response> {
  return fetch(url, { method: 'POST', body: JSON.stringify(body) })
}

describe('a wait for a request', () => {
  test('is met by its body, once that has come', () =>
    passes(async () => {
      const byBody = bed.proxy.waitForRequest({ method: 'POST', body: { name: 'second' } })
      const byPredicate = bed.proxy.waitForRequest(({ text }) => text?.includes('"third"') === true)
      const slow = httpsRequest(url, { method: 'POST' })
      slow.write('{"name":')
      const head = await bed.proxy.waitForRequest({ method: 'POST' })
      expect(head.complete).toBe(false)
      await bed.proxy.expectNoRequest({ body: { name: 'second' } })
      slow.end('"second","more":1}')
      const second = await byBody
      expect([second, second.json]).toEqual([head, { name: 'second', more: 1 }])
      await post({ name: 'third' })
      expect((await byPredicate).id).toBe(2)
    }))

  test('finds what came before it, and counts', () =>
    passes(async () => {
      for (const name of ['a', 'b', 'b']) await post({ name })
      const b = await bed.proxy.waitForRequest({ body: { name: 'b' } })
      const again = await bed.proxy.waitForRequest({ body: /"b"/ }, { nth: 2 })
      expect([b.id, again.id, (await bed.proxy.waitForRequest({ body: { name: 'b' } }, { after: b })).id]).toEqual([2, 3, 3])
      await bed.proxy.expectNoRequest({ body: { name: 'a' } }, { after: b })
    }))

  test('that is not met shows the nearest, and every exchange with its bytes', async () => {
    const { thrown } = await bed.runFailing('a test', async () => {
      bed.proxy.onRequest({ body: { name: 'b' } }).respondWith(503, 'busy')
      await post({ name: 'a' })
      await post({ name: 'b' })
      await bed.proxy.waitForRequest({ method: 'POST', path: '/keys', body: { name: 'c' } }, { timeout: 1 })
    })
    expect(
      thrown.message
        .replace(/^ +\+\d+ ms/gm, '    +N ms')
        .replace(/\d+ ms/g, 'N ms')
        .replace(/:\d+/g, ':L')
        .split('\n'),
    ).toEqual([
      'no request matched { method: "POST", path: "/keys", body: { name: "c" } } within N ms',
      '  at packages/sdk/src/request-waits.test.ts:L · test "a test"',
      '  HTTP requests',
      '    +N ms  POST 12 B  https://api.example.com/keys  201, N ms, 57 B',
      '    +N ms  POST 12 B  https://api.example.com/keys  503, N ms, 4 B, answered by onRequest (request-waits.test.ts:L)  nearest: body.name "b", expected "c"',
      '  rules: onRequest (request-waits.test.ts:L) acted once',
    ])
  })
})

describe('a wait for a response', () => {
  test('is met by its status and its body, as the server gave them', () =>
    passes(async () => {
      bed.proxy.onRequest({ body: { name: 'b' } }).patchResponse({ status: 500, text: 'patched' })
      await post({ name: 'a' })
      await post({ name: 'b' })
      const exchange = await bed.proxy.waitForResponse({ status: 201, body: { body: /"b"/ } })
      expect([exchange.response?.status, exchange.delivered?.status, exchange.delivered?.text]).toEqual([201, 500, 'patched'])
      await bed.proxy.waitForResponse({ method: 'POST', body: /"url":"\/keys"/ })
    }))

  test('is met by what a rule answered in the place of the server', () =>
    passes(async () => {
      bed.proxy.onRequest().respondWith(404, { code: 'none' })
      await post({})
      expect((await bed.proxy.waitForResponse({ status: 404, body: { code: 'none' } })).decision).toBe('respondWith')
    }))

  test('belongs to a request: a match that can never be true is told', () =>
    passes(async () => {
      expect(() => bed.proxy.onRequest({ status: 200 } as object)).toThrow('unknown key "status"')
      await expect(bed.proxy.waitForResponse({ path: '/keys/*' })).rejects.toThrow('a * in a string stands for itself')
    }))
})

describe('toHaveRequested', () => {
  test('looks at what was sent so far', () =>
    passes(async () => {
      const { proxy } = bed
      expect(checkRequested(proxy).pass).toBe(false)
      await post({ name: 'a' })
      expect(checkRequested(proxy, { method: 'POST', path: '/keys', body: { name: 'a' } }).pass).toBe(true)
      const { pass, message, actual, expected } = checkRequested(proxy, { method: 'POST', body: { name: 'b' } })
      expect([pass, actual, expected]).toEqual([false, { method: 'POST', body: { name: 'a' } }, { method: 'POST', body: { name: 'b' } }])
      expect(message()).toMatch(
        /^expect\(proxy\)\.toHaveRequested\(\{ method: "POST", body: \{ name: "b" \} \}\): no request matched so far\n/,
      )
      expect(message()).toContain('nearest: body.name "a", expected "b"')
      expect(message()).toContain('to wait for it: await proxy.waitForRequest(…)')
      expect(checkRequested(proxy, { method: 'POST' }, { isNot: true }).message()).toMatch(/POST .* ← matched/)
      expect(checkRequested(proxy.client({ headers: { 'x-client': 'a' } })).pass).toBe(false)
    }))
})
