import { request as httpsRequest } from 'node:https'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { json } from './codec/json.ts'
import { startRecordingServer } from './testing/http-server.ts'
import type { RecordingServer } from './testing/http-server.ts'
import { startTestBed } from './testing/test-bed.ts'
import type { TestBed } from './testing/test-bed.ts'

const url = 'https://api.example.com/keys/7?v=6'

let server: RecordingServer
let bed: TestBed<unknown>

beforeEach(async () => {
  server = await startRecordingServer()
  bed = await startTestBed<unknown>({ codec: json(), route: { 'api.example.com': server.url, 'other.example.com': server.url } })
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

function post(body: unknown, to: string = url): Promise<Response> {
  return fetch(to, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) })
}

/** The code that the socket of a request ended with. */
async function failure(asked: Promise<Response>): Promise<unknown> {
  const error: unknown = await asked
    .then(
      response => response.arrayBuffer().then(() => undefined),
      (reason: unknown) => reason,
    )
    .catch((reason: unknown) => reason)
  return error instanceof Error && error.cause instanceof Error && 'code' in error.cause ? error.cause.code : error
}

describe('onRequest', () => {
  test('answers in the place of the server, which never sees the request', () =>
    passes(async () => {
      const rule = bed.proxy.onRequest({ method: 'POST', path: '/keys/7' }).respondWith(503, { error: 'busy' }, { 'Retry-After': 1 })
      const response = await post({ name: 'a' })
      expect([response.status, response.headers.get('retry-after'), response.headers.get('content-type')]).toEqual([
        503,
        '1',
        'application/json',
      ])
      expect(await response.json()).toEqual({ error: 'busy' })
      expect(server.requests).toEqual([])
      const exchange = await rule.waitForHit()
      expect(exchange).toMatchObject({ method: 'POST', url, decision: 'respondWith' })
      expect([rule.hits, rule.exchanges]).toEqual([1, [exchange]])
      expect((await fetch(url)).status).toBe(200)
    }))

  test('answers with a stream', () =>
    passes(async () => {
      const body = new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(Buffer.from('one '))
          controller.enqueue(Buffer.from('two'))
          controller.close()
        },
      })
      bed.proxy.onRequest().once().respondWith(200, body)
      expect(await (await fetch(url)).text()).toBe('one two')
    }))

  test('answers with trailers', () =>
    passes(async () => {
      bed.proxy.onRequest().respondWith(200, 'summed up', {}, { 'X-Sum': 42 })
      const trailers = await new Promise(resolve => {
        httpsRequest(url, response => response.resume().on('end', () => resolve(response.trailers))).end()
      })
      expect(trailers).toEqual({ 'x-sum': '42' })
    }))

  test('gives another answer than the server, which has got the request', () =>
    passes(async () => {
      bed.proxy
        .onRequest({ body: { name: 'a' } })
        .once()
        .forwardThen(500, 'lost')
      const response = await post({ name: 'a' })
      expect([response.status, await response.text()]).toEqual([500, 'lost'])
      expect(server.requests).toMatchObject([{ method: 'POST', body: '{"name":"a"}' }])
      expect((await bed.proxy.waitForResponse({ status: 201 })).delivered?.status).toBe(500)
    }))

  test('matches bodies: of JSON, of text, and by a predicate', () =>
    passes(async () => {
      const { proxy } = bed
      proxy.onRequest({ body: { name: 'json' } }).respondWith(401)
      proxy.onRequest({ body: /name=text/ }).respondWith(402)
      proxy.onRequest(({ body, method }) => method === 'POST' && body === 'by predicate').respondWith(403)
      const statuses = [post({ name: 'json', more: 1 }), fetch(url, { method: 'POST', body: 'a=1&name=text' })]
      statuses.push(post('by predicate'), post({ name: 'other' }))
      expect((await Promise.all(statuses)).map(({ status }) => status)).toEqual([401, 402, 403, 201])
    }))

  test('changes requests and responses, by a part or a function', () =>
    passes(async () => {
      const { proxy } = bed
      proxy
        .onRequest({ path: '/keys/1' })
        .patchRequest({ path: '/keys/one', query: { v: undefined, w: '7' }, headers: { 'X-Own': 'yes' }, json: { b: 2 } })
      proxy.onRequest({ path: '/keys/2' }).patchRequest(request => {
        request.text = request.text.toUpperCase()
      })
      proxy.onRequest({ path: '/keys/3' }).patchResponse({ status: 404, headers: { 'X-Server': undefined }, json: { body: 'patched' } })
      proxy.onRequest({ path: '/keys/4' }).patchResponse((response, request) => {
        response.headers['x-for'] = request.path
      })
      const [one, two, three, four] = await Promise.all([1, 2, 3, 4].map(n => post({ a: 1 }, `https://api.example.com/keys/${n}?v=6`)))
      expect(await one?.json()).toEqual({ method: 'POST', url: '/keys/one?w=7', body: '{"a":1,"b":2}' })
      expect(server.requests.find(request => request.url === '/keys/one?w=7')?.headers['x-own']).toBe('yes')
      expect(await two?.json()).toMatchObject({ body: '{"A":1}' })
      expect([three?.status, three?.headers.get('x-server'), await three?.json()]).toEqual([
        404,
        null,
        { method: 'POST', url: '/keys/3?v=6', body: 'patched' },
      ])
      expect([four?.status, four?.headers.get('x-for')]).toEqual([201, '/keys/4'])
    }))

  test('holds requests, and lets them go', () =>
    passes(async () => {
      const held = bed.proxy.onRequest({ method: 'POST' }).hold()
      const asked = [post({ n: 1 }), post({ n: 2 })]
      const first = await held.next()
      const second = await held.next()
      expect(held.held).toEqual([first, second])
      expect(server.requests).toEqual([])
      held.release(second)
      await bed.proxy.waitForResponse()
      expect(held.held).toEqual([first])
      expect(() => held.release(second)).toThrow('release(exchange): this rule does not hold that exchange')
      expect(() => held.release(2)).toThrow('release(2): it holds 1; await next() before releasing')
      held.releaseAll()
      expect((await Promise.all(asked)).map(({ status }) => status)).toEqual([201, 201])
    }))

  test('holds a response, which the server has given', () =>
    passes(async () => {
      using held = bed.proxy.onRequest().hold({ response: true })
      const asked = fetch(url)
      const exchange = await held.next()
      expect(server.requests).toHaveLength(1)
      expect(exchange.response?.status).toBe(200)
      held.release()
      expect((await asked).status).toBe(200)
    }))

  test('delays requests and responses', () =>
    passes(async () => {
      bed.proxy.onRequest({ method: 'GET' }).delay(1)
      bed.proxy.onRequest({ method: 'POST' }).delay(1, { response: true })
      expect([(await fetch(url)).status, (await post({})).status]).toEqual([200, 201])
    }))

  test('resets, ends and cuts exchanges where it is told to', () =>
    passes(async () => {
      const { proxy } = bed
      const at = (name: string): string => `https://api.example.com/${name}`
      proxy.onRequest({ path: '/reset' }).reset()
      proxy.onRequest({ path: '/end' }).end()
      proxy.onRequest({ path: '/late' }).reset({ at: 'beforeResponse' })
      proxy.onRequest({ path: '/middle' }).end({ at: { requestBytes: 5 } })
      proxy.onRequest({ path: '/cut' }).truncate(5)
      expect(await failure(fetch(at('reset')))).toBe('ECONNRESET')
      expect(await failure(fetch(at('end')))).toBe('UND_ERR_SOCKET')
      expect(server.requests).toEqual([])
      expect(await failure(post({ a: 1 }, at('late')))).toBe('ECONNRESET')
      expect(server.requests).toMatchObject([{ url: '/late', body: '{"a":1}' }])
      expect(await failure(post({ a: 1 }, at('middle')))).toBe('UND_ERR_SOCKET')
      expect(server.requests).toHaveLength(1)
      const cut = await rawGet(at('cut'))
      expect(cut).toEqual({ status: 200, body: '{"met', ended: 'aborted' })
    }))

  test('lets a client wait in vain', () =>
    passes(async () => {
      const rule = bed.proxy.onRequest().timeout({ at: 'beforeResponse' })
      const controller = new AbortController()
      const asked = fetch(url, { signal: controller.signal })
      await rule.waitForHit()
      await bed.proxy.waitForResponse()
      controller.abort()
      await expect(asked).rejects.toThrow('aborted')
      expect(server.requests).toHaveLength(1)
    }))

  test('observes, with the body where that is read, and decides nothing', () =>
    passes(async () => {
      const seen: unknown[] = []
      bed.proxy.onRequest({ method: 'POST' }).observe(({ body }) => seen.push(body))
      bed.proxy.onRequest().observe(({ path }) => seen.push(path))
      bed.proxy.onRequest({ method: 'POST' }).optional().respondWith(418)
      expect((await post({ n: 1 })).status).toBe(418)
      expect(seen).toHaveLength(2)
      expect(seen).toEqual(expect.arrayContaining([{ n: 1 }, '/keys/7']))
    }))

  test('counts matches as every rule does, and asks the newest first', () =>
    passes(async () => {
      bed.proxy.onRequest().respondWith(404)
      bed.proxy.onRequest().skip(1).every(2).times(1).respondWith(405)
      bed.proxy.onRequest().nth(2).respondWith(406)
      const statuses: number[] = []
      for (let n = 0; n < 4; n++) statuses.push((await fetch(url)).status)
      expect(statuses).toEqual([404, 406, 405, 404])
    }))

  test('belongs to one client of several, by what the request says of itself', () =>
    passes(async () => {
      const alice = bed.proxy.client({ headers: { 'x-client': 'alice' } })
      alice.onRequest({ method: 'GET' }).respondWith(403)
      const as = (name: string): Promise<Response> => fetch(url, { headers: { 'X-Client': name } })
      expect([(await as('alice')).status, (await as('bob')).status]).toEqual([403, 200])
      expect(alice.requests).toHaveLength(1)
      await alice.expectNoRequest({ headers: { 'x-client': 'bob' } })
    }))

  test('is gone after its test', async () => {
    await passes(async () => {
      bed.proxy.onRequest().respondWith(404)
      expect((await fetch(url)).status).toBe(404)
    })
    await passes(async () => expect((await fetch(url)).status).toBe(200))
  })
})

describe('a rule on requests that fails its test', () => {
  test('was never met, or shadowed', async () => {
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onRequest({ path: '/never' }).reset()
      bed.proxy.onRequest({ method: 'GET' }).respondWith(404)
      bed.proxy.onRequest({ path: '/keys/7' }).named('the newer').respondWith(405)
      await fetch(url)
    })
    expect(errors.map(({ message }) => message.replace(/:\d+/g, ':L'))).toEqual([
      'onRequest (request-rules.test.ts:L): the rule onRequest({ path: "/never" }).reset() never matched; remove it, or say optional()',
      'onRequest (request-rules.test.ts:L): the rule onRequest({ method: "GET" }).respondWith() matched once but was shadowed by ' +
        '"the newer" (request-rules.test.ts:L), which was asked first and decided',
    ])
  })

  test('forbids the request, which passes', async () => {
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onRequest({ method: 'DELETE' }).forbid('keys stay')
      expect((await fetch(url, { method: 'DELETE' })).status).toBe(200)
    })
    expect(errors).toMatchObject([
      { code: 'MIDWIRE_FORBIDDEN', message: expect.stringMatching(/forbidden request \(keys stay\): DELETE https:/) },
    ])
  })

  test('forbids it for the block around, and fails the test that sent it', async () => {
    await bed.run(
      'a block',
      async parent => {
        bed.proxy.onRequest({ method: 'DELETE' }).forbid()
        const { errors } = await bed.run('a test', async () => void (await fetch(url, { method: 'DELETE' })), { parent })
        expect(errors).toMatchObject([{ code: 'MIDWIRE_FORBIDDEN' }])
      },
      { kind: 'block' },
    )
  })

  test('observes with a function that throws, or that changes what cannot be changed so', async () => {
    const { errors } = await bed.run('a test', async () => {
      bed.proxy.onRequest().observe(() => {
        throw new Error('seen too much')
      })
      bed.proxy.onRequest().patchRequest(request => {
        request.path = 'no path'
      })
      expect((await fetch(url)).status).toBe(200)
    })
    expect(errors).toHaveLength(2)
    expect(errors.map(({ message }) => message).join('\n')).toMatch(/seen too much[^]*no path|no path[^]*seen too much/)
  })

  test('decides, beside another test, about a request of a client that both share: it passes', async () => {
    await bed.run(
      'a block',
      async parent => {
        const { promise: over, resolve: end } = Promise.withResolvers<void>()
        const decide = (name: string): ReturnType<typeof bed.run> =>
          bed.run(
            name,
            async () => {
              bed.proxy.onRequest({ method: 'GET' }).respondWith(404)
              await over
            },
            { parent },
          )
        const runs = [decide('one'), decide('other')]
        expect((await fetch(url)).status).toBe(200)
        end()
        const [one, other] = await Promise.all(runs)
        expect(one?.errors.at(-1)?.message).toMatch(
          /GET https:\/\/api\.example\.com\/keys\/7\?v=6 belongs to "a block", and two tests .* decide about it: "other" .* and "one" /,
        )
        expect(other?.errors).toMatchObject([{ code: 'MIDWIRE_BAD_USE' }])
      },
      { kind: 'block' },
    )
  })

  test('has no verb', async () => {
    const { errors } = await bed.run('a test', async () => void bed.proxy.onRequest())
    expect(errors).toMatchObject([{ message: expect.stringMatching(/^onRequest\(…\) at .* has no verb/) }])
  })
})

describe('a rule on requests that cannot be meant', () => {
  test('is told so at its line', () =>
    passes(async () => {
      const rule = bed.proxy.onRequest()
      const refused = (declare: () => unknown): string => {
        try {
          declare()
        } catch (error) {
          return String(error instanceof Error ? `${error.message}\n${error.stack?.split('\n')[1]}` : error)
        }
        return 'accepted'
      }
      expect(refused(() => rule.respondWith(101))).toMatch(
        /respondWith\(status\): expected a status from 200 to 599, got 101\n.*request-rules\.test\.ts/,
      )
      expect(refused(() => rule.forwardThen(204, 'x'))).toMatch('a 204 No Content response has no body (RFC 9110 §6.4.1)')
      expect(refused(() => rule.respondWith(200, '', { 'a b': '1' }))).toMatch('"a b" is no header name')
      expect(refused(() => rule.respondWith(200, new ReadableStream()))).toMatch('a stream can be read once; say once()')
      expect(refused(() => rule.reset({ at: 'soon' as 'beforeRequest' }))).toMatch(
        `expected 'beforeRequest', 'beforeResponse', 'afterResponse', { requestBytes } or { responseBytes }, got 'soon'`,
      )
      expect(refused(() => rule.end({ at: { responseBytes: -1 } }))).toMatch('expected a number of bytes from 0, got -1')
      expect(refused(() => rule.reset({ to: 'all' as 'both' }))).toMatch(`expected 'client' or 'server' or 'both'`)
      expect(refused(() => rule.hold({ others: 'pass' } as object))).toMatch('unknown key "others"; known are "response"')
      expect(refused(() => rule.delay(-1))).toMatch('expected a number of ms')
      expect(refused(() => rule.truncate(1.5))).toMatch('expected a number of bytes from 0, got 1.5')
      expect(refused(() => rule.on())).toMatch('an HTTP request belongs to no WebSocket')
      expect(refused(() => bed.proxy.onRequest({ path: '/a*' }))).toMatch('a * in a string stands for itself')
      rule.optional().respondWith(200)
    }))
})

/** A GET that tells what came before the end, and how it ended. */
function rawGet(to: string): Promise<{ status: number | undefined; body: string; ended: string }> {
  return new Promise(resolve => {
    httpsRequest(to, response => {
      let body = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
      response.on('error', error => resolve({ status: response.statusCode, body, ended: error.message }))
      response.on('end', () => resolve({ status: response.statusCode, body, ended: 'end' }))
    }).end()
  })
}
