import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpsRequest } from 'node:https'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import { bypass, delay, http, HttpResponse, passthrough } from 'msw'
import { graphql } from 'msw/graphql'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { json } from './codec/json.ts'
import { startRecordingServer } from './testing/http-server.ts'
import type { RecordingServer } from './testing/http-server.ts'
import { startTestBed } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'

const url = 'https://api.example.com/keys/7'

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

async function textOf(asked: Promise<Response>): Promise<string> {
  return (await asked).text()
}

describe('use', () => {
  test('answers with handlers of msw as they are, the first that matches', () =>
    passes(async () => {
      bed.proxy.use(
        http.post('https://api.example.com/keys', async ({ request }) => HttpResponse.json({ got: await request.json() }, { status: 201 })),
        http.get('https://api.example.com/keys/:id', ({ params, cookies, request }) =>
          HttpResponse.json({ params, cookies, search: new URL(request.url).search }),
        ),
      )
      const created = await fetch('https://api.example.com/keys', { method: 'POST', body: '{"name":"a"}' })
      expect([created.status, created.statusText, await created.json()]).toEqual([201, 'Created', { got: { name: 'a' } }])
      expect((await bed.proxy.waitForResponse({ status: 201, body: { got: { name: 'a' } } })).responseBytes).toBe(20)
      const read = await fetch(`${url}?v=6`, { headers: { Cookie: 'session=abc' } })
      expect(await read.json()).toEqual({ params: { id: '7' }, cookies: { session: 'abc' }, search: '?v=6' })
      expect(server.requests).toEqual([])
      expect((await fetch(url, { method: 'DELETE' })).headers.get('x-server')).toBe('real')
    }))

  test('asks the newest first, and lets older ones and rules answer what it lets fall', () =>
    passes(async () => {
      bed.proxy.onRequest({ method: 'PUT' }).respondWith(418)
      bed.proxy.use(http.get(url, () => HttpResponse.text('older')))
      bed.proxy.use(
        http.get(url, () => HttpResponse.text('once'), { once: true }),
        http.put(url, () => undefined),
      )
      expect([await textOf(fetch(url)), await textOf(fetch(url))]).toEqual(['once', 'older'])
      expect((await fetch(url, { method: 'PUT' })).status).toBe(418)
    }))

  test('passes on with passthrough(), and with bypass(), whose mark the server does not see', () =>
    passes(async () => {
      bed.proxy.use(
        http.get(url, () => passthrough()),
        http.post(url, async ({ request }) => {
          const real = await fetch(bypass(request))
          return HttpResponse.json({ real: await real.json(), status: real.status }, { status: 202 })
        }),
      )
      expect(await (await fetch(url)).json()).toMatchObject({ method: 'GET' })
      const wrapped = await fetch(url, { method: 'POST', body: 'x', headers: { Accept: 'text/html' } })
      expect([wrapped.status, await wrapped.json()]).toEqual([202, { real: { method: 'POST', url: '/keys/7', body: 'x' }, status: 201 }])
      expect(server.requests.map(({ method, headers }) => [method, headers.accept])).toEqual([
        ['GET', '*/*'],
        ['POST', 'text/html'],
      ])
    }))

  test('fails the network for HttpResponse.error()', () =>
    passes(async () => {
      bed.proxy.use(http.get(url, () => HttpResponse.error()))
      await expect(fetch(url)).rejects.toThrow(TypeError)
      const code = await new Promise(resolve => {
        httpsRequest(url, () => resolve('answered'))
          .on('error', error => resolve(Reflect.get(error, 'code')))
          .end()
      })
      expect(code).toBe('ECONNRESET')
      expect(server.requests).toEqual([])
    }))

  test('answers a 500 for a resolver that throws, and a response that it throws', async () => {
    const { thrown } = await bed.runFailing('a test', async () => {
      bed.proxy.use(
        http.get(url, () => {
          throw new RangeError('out of keys')
        }),
        http.put(url, () => {
          throw HttpResponse.text('thrown', { status: 409 })
        }),
      )
      const failed = await fetch(url)
      expect([failed.status, failed.statusText]).toEqual([500, 'Unhandled Exception'])
      expect(await failed.json()).toMatchObject({ name: 'RangeError', message: 'out of keys' })
      expect((await fetch(url, { method: 'PUT' })).status).toBe(409)
      await bed.proxy.waitForRequest({ method: 'DELETE' }, { timeout: 1 })
    })
    expect(thrown.message).toContain(`a handler of GET ${url} threw, and the client got a 500: RangeError: out of keys`)
    expect(thrown.message).toMatch(
      /GET +https:\/\/api\.example\.com\/keys\/7 +500, \d+ ms, \d+ B, handled by use \(handlers-rule\.test\.ts:\d+\)/,
    )
  })

  test('delays, for ever too, and streams', () =>
    passes(async () => {
      const { promise: rest, resolve: goOn } = Promise.withResolvers<void>()
      bed.proxy.use(
        http.get(url, async () => {
          await delay(2)
          const body = new ReadableStream<Uint8Array>({
            async start(controller) {
              controller.enqueue(Buffer.from('first '))
              await rest
              controller.enqueue(Buffer.from('last'))
              controller.close()
            },
          })
          return new HttpResponse(body, { headers: { 'Content-Type': 'text/plain' } })
        }),
        http.post(url, async () => {
          await delay('infinite')
          return HttpResponse.text('never')
        }),
      )
      const { body } = await fetch(url)
      const reader = body?.getReader()
      expect(String(Buffer.from((await reader?.read())?.value ?? []))).toBe('first ')
      goOn()
      expect(String(Buffer.from((await reader?.read())?.value ?? []))).toBe('last')

      const controller = new AbortController()
      const waiting = fetch(url, { method: 'POST', signal: controller.signal })
      await bed.proxy.waitForRequest({ method: 'POST' })
      controller.abort()
      await expect(waiting).rejects.toThrow('aborted')
    }))

  test('answers for a host that is nowhere', () =>
    passes(async () => {
      bed.proxy.use(http.get('https://nowhere.invalid/keys', () => HttpResponse.text('here')))
      expect(await textOf(fetch('https://nowhere.invalid/keys'))).toBe('here')
      bed.proxy.onRequest({ host: 'nowhere.invalid', path: '/tokens' }).respondWith(401)
      expect((await fetch('https://nowhere.invalid/tokens')).status).toBe(401)
    }))

  test('takes GraphQL handlers, by the name of their operation', () =>
    passes(async () => {
      bed.proxy.use(
        graphql.link('https://api.example.com/graphql').query('GetKey', ({ variables }) => HttpResponse.json({ data: variables })),
      )
      const ask = (query: string): Promise<Response> =>
        fetch('https://api.example.com/graphql', {
          method: 'POST',
          headers: { 'Content-Type': 'application/json' },
          body: JSON.stringify({ query, variables: { id: 7 } }),
        })
      expect(await (await ask('query GetKey($id: ID!) { key(id: $id) { id } }')).json()).toEqual({ data: { id: 7 } })
      expect((await ask('query GetOther { other }')).headers.get('x-server')).toBe('real')
    }))

  test('lives as long as its test, need not act, and can be withdrawn', async () => {
    const handler = http.get(url, () => HttpResponse.text('handled'))
    await passes(async () => void bed.proxy.use(handler))
    await passes(async () => {
      {
        using _ = bed.proxy.use(handler)
        expect(await textOf(fetch(url))).toBe('handled')
      }
      expect((await fetch(url)).headers.get('x-server')).toBe('real')
    })
    await passes(async () => expect((await fetch(url)).headers.get('x-server')).toBe('real'))
  })

  test('answers one client of several', () =>
    passes(async () => {
      bed.proxy.client({ headers: { 'x-client': 'alice' } }).use(http.get(url, () => HttpResponse.text('for alice')))
      expect(await textOf(fetch(url, { headers: { 'X-Client': 'alice' } }))).toBe('for alice')
      expect((await fetch(url, { headers: { 'X-Client': 'bob' } })).headers.get('x-server')).toBe('real')
    }))

  test('answers a child process, which msw itself cannot reach', () =>
    passes(async () => {
      bed.proxy.use(http.post(url, async ({ request }) => HttpResponse.text(`handled ${await request.text()}`)))
      const folder = mkdtempSync(join(tmpdir(), 'midwire-child-'))
      try {
        const file = join(folder, 'client.mjs')
        const undici = pathToFileURL(createRequire(import.meta.url).resolve('undici'))
        writeFileSync(
          file,
          `import undici from '${String(undici)}'
          const dispatcher = new undici.ProxyAgent(process.argv[2])
          const response = await undici.fetch('${url}', { method: 'POST', body: 'by a child', dispatcher })
          process.stdout.write(await response.text())`,
        )
        const ca = join(folder, 'ca.pem')
        writeFileSync(ca, bed.proxy.certificate)
        const child = spawn(process.execPath, [file, bed.proxy.url], {
          env: { NODE_EXTRA_CA_CERTS: ca },
          stdio: ['ignore', 'pipe', 'inherit'],
        })
        const ended = once(child, 'close')
        expect(await text(child.stdout)).toBe('handled by a child')
        await ended
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
      expect(server.requests).toEqual([])
    }))

  test('is told at its line what no handler is', () =>
    passes(async () => {
      expect(() => bed.proxy.use()).toThrow('expected handlers of msw, such as http.get(url, resolver), got none')
    }))
})

test('the SDK does not load msw', async () => {
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  expect(JSON.parse(await text(child.stdout))).toEqual([])
  await ended
})

/** Prints the modules of msw that come with the SDK. */
const source = `
import { registerHooks } from 'node:module'
const loaded = []
registerHooks({ load: (url, context, next) => (url.includes('/msw/') && loaded.push(url), next(url, context)) })
await import('${String(pathToFileURL(join(import.meta.dirname, 'index.ts')))}')
process.stdout.write(JSON.stringify(loaded))
`
