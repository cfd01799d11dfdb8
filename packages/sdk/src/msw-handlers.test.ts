import { bypass, http, HttpResponse, passthrough, ws } from 'msw'
import { graphql } from 'msw/graphql'
import { describe, expect, test } from 'vitest'
import type { RequestFacts } from '@midwire/proxy'
import { askHandlers, checkHandlers, handlersMatch, isBypassed, thrownAnswer, withoutBypass } from './msw-handlers.ts'
import type { MswRequestHandler } from './msw-handlers.ts'

const url = 'https://api.example.com/keys/7'

async function answer(...handlers: readonly MswRequestHandler[]): Promise<unknown> {
  const answered = await askHandlers(handlers, new Request(url, { headers: { cookie: 'session=abc' } }))
  if (typeof answered === 'string') return answered
  const body = answered.body instanceof Uint8Array ? Buffer.from(answered.body).toString() : await new Response(answered.body).text()
  return { ...answered, body }
}

describe('handlers of msw', () => {
  test('answer with what their resolvers return', async () => {
    const handler = http.get('https://api.example.com/keys/:id', ({ params, cookies }) =>
      HttpResponse.json(
        { params, cookies },
        {
          status: 201,
          headers: [
            ['Set-Cookie', 'a=1'],
            ['Set-Cookie', 'b=2'],
          ],
        },
      ),
    )
    expect(await answer(handler)).toEqual({
      status: 201,
      statusText: 'Created',
      headers: ['content-length', '49', 'content-type', 'application/json', 'set-cookie', 'a=1', 'set-cookie', 'b=2'],
      body: '{"params":{"id":"7"},"cookies":{"session":"abc"}}',
    })
  })

  test('leave to others what they do not match, and what their resolvers let fall', async () => {
    const other = http.get('https://api.example.com/tokens', () => HttpResponse.text('tokens'))
    const silent = http.get(url, () => undefined)
    expect(await answer(other)).toBe('pass')
    expect(await answer(silent)).toBe('pass')
    expect(
      await answer(
        other,
        silent,
        http.get(url, () => HttpResponse.text('third')),
      ),
    ).toMatchObject({ body: 'third' })
  })

  test('pass on, fail the network, and throw responses', async () => {
    expect(await answer(http.get(url, () => passthrough()))).toBe('passthrough')
    expect(await answer(http.get(url, () => HttpResponse.error()))).toBe('error')
    const thrown = http.get(url, () => {
      throw HttpResponse.text('thrown', { status: 418 })
    })
    expect(await answer(thrown)).toMatchObject({ status: 418, body: 'thrown' })
  })

  test('act once, and step by step', async () => {
    const once = http.get(url, () => HttpResponse.text('once'), { once: true })
    const always = http.get(url, () => HttpResponse.text('always'))
    expect([await answer(once, always), await answer(once, always)]).toMatchObject([{ body: 'once' }, { body: 'always' }])
    const steps = http.get(url, function* () {
      yield HttpResponse.text('first')
      yield HttpResponse.text('second')
      return HttpResponse.text('last')
    })
    const answers = [await answer(steps), await answer(steps), await answer(steps), await answer(steps)]
    expect(answers).toMatchObject([{ body: 'first' }, { body: 'second' }, { body: 'last' }, { body: 'last' }])
  })

  test('of GraphQL answer the operation by its name', async () => {
    const handler = graphql.link(url).query('GetKey', ({ variables }) => HttpResponse.json({ data: variables }))
    const body = JSON.stringify({ query: 'query GetKey($id: ID!) { key(id: $id) { id } }', variables: { id: 7 } })
    const request = new Request(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    const answered = await askHandlers([handler], request)
    expect(typeof answered === 'object' && (await new Response(answered.body as ReadableStream).json())).toEqual({ data: { id: 7 } })
  })

  test('that throw make what msw makes of it', () => {
    const oops = thrownAnswer(new RangeError('oops'))
    expect(oops).toMatchObject({ status: 500, statusText: 'Unhandled Exception', headers: ['Content-Type', 'application/json'] })
    expect(typeof oops === 'object' && JSON.parse(String(oops.body))).toMatchObject({ name: 'RangeError', message: 'oops' })
    expect(thrownAnswer(Object.assign(new Error('refused'), { code: 'ECONNREFUSED', errno: -111 }))).toBe('error')
  })

  test('are asked only for what they could be about', () => {
    const handlers = [http.get(url, () => undefined), http.post('https://api.example.com/*', () => undefined)]
    const match = handlersMatch(handlers)
    const about = (method: string, host: string): boolean => {
      const facts = { method, host } as RequestFacts
      return match.test(facts, facts)
    }
    expect([match.host, match.text]).toEqual(['api.example.com', `GET ${url}, POST https://api.example.com/*`])
    expect([about('GET', 'api.example.com'), about('PUT', 'api.example.com'), about('GET', 'b.example.com')]).toEqual([true, false, false])
    const anywhere = handlersMatch([...handlers, http.all('*/keys', () => undefined)])
    expect([anywhere.host, anywhere.test({ method: 'PUT', host: 'b.example.com' } as RequestFacts, {} as RequestFacts)]).toEqual([
      undefined,
      true,
    ])
  })

  test('do not meet what bypass() made, and its mark is taken off', () => {
    const accept = (value: string): RequestFacts => ({ headers: { accept: value } }) as unknown as RequestFacts
    const { headers } = bypass(url, { headers: { accept: 'text/html, */*' } })
    expect(isBypassed(accept(headers.get('accept') ?? ''))).toBe(true)
    expect(isBypassed(accept('*/*'))).toBe(false)
    expect(withoutBypass(headers.get('accept') ?? '')).toBe('text/html, */*')
    expect(withoutBypass('msw/passthrough')).toBeUndefined()
  })

  test('of another kind are told apart', () => {
    expect(() => checkHandlers([])).toThrow('got none')
    expect(() => checkHandlers([[http.get(url, () => undefined)]])).toThrow('spread it')
    expect(() => checkHandlers([ws.link('wss://a.example.com').addEventListener('connection', () => {})])).toThrow(
      'a ws handler answers no request',
    )
    expect(() => checkHandlers([{ kind: 'other' }])).toThrow('expected handlers of msw 3')
    expect(() => checkHandlers([http.get(url, () => undefined)])).not.toThrow()
  })
})
