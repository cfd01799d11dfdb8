import { describe, expect, test } from 'vitest'
import type { RequestAnswer } from '../rule/request-rule.ts'
import { exchanges, head, journalled, own, rule, wire } from './testing/wire.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe('a function that is asked with a request', () => {
  test('gets method, URL, headers and body, and its answer is the response', async () => {
    const { client, server, proxy } = await wire()
    const fn = async (request: Request): Promise<RequestAnswer> => {
      const { method, url, headers } = request
      return own(201, JSON.stringify([method, url, headers.get('x-a'), await request.json()]))
    }
    rule(proxy, { kind: 'handle', fn })
    client.socket.write(`${head('PUT', '/x?y=1', 'X-A: 1', 'X-A: 2', 'Content-Length: 7')}{"z":3}`)
    const text = await client.untilText(']')
    expect(text).toContain('201 Created')
    expect(JSON.parse(text.slice(text.indexOf('[')))).toEqual(['PUT', `http://127.0.0.1:${server.port}/x?y=1`, '1, 2', { z: 3 }])
    expect(server.peers).toHaveLength(0)
  })

  test('may pass, and the next rule is asked', async () => {
    const { client, proxy } = await wire()
    const older = rule(proxy, { kind: 'respondWith', response: own(202) })
    rule(proxy, { kind: 'handle', fn: () => Promise.resolve('pass') })
    client.socket.write(head('GET', '/'))
    expect(await client.takeThrough('\r\n\r\n')).toContain('202 Accepted')
    expect(exchanges(proxy)[0]).toMatchObject({ decidedBy: older.label, decision: 'respondWith' })
  })

  test('may let the request through past all other rules, its body untouched although it was read', async () => {
    const { client, server, proxy } = await wire()
    const older = rule(proxy, { kind: 'respondWith', response: own(500) })
    const fn = async (request: Request): Promise<RequestAnswer> => {
      await request.clone().text()
      return 'passthrough'
    }
    rule(proxy, { kind: 'handle', fn })
    const body = '2\r\nab\r\n1\r\nc\r\n0\r\nT: 1\r\n\r\n'
    client.socket.write(head('POST', '/', 'Transfer-Encoding: chunked') + body)
    const upstream = await server.accepted()
    expect((await upstream.takeThrough('T: 1\r\n\r\n')).endsWith(body)).toBe(true)
    upstream.socket.write(ok)
    expect(await client.takeThrough('ok')).toBe(ok)
    expect([older.acted, older.shadowed]).toEqual([0, true])
  })

  test('reads a body only if it wants it, and only then a waiting client is told to send it', async () => {
    const { client, proxy } = await wire()
    rule(proxy, { kind: 'handle', fn: async request => own(200, await request.text()) }, { when: ({ path }) => path === '/read' })
    rule(proxy, { kind: 'handle', fn: () => Promise.resolve(own(417)) }, { when: ({ path }) => path === '/unread' })
    client.socket.write(head('POST', '/read', 'Expect: 100-continue', 'Content-Length: 2'))
    await client.takeThrough('HTTP/1.1 100 Continue\r\n\r\n')
    client.socket.write('hi')
    expect(await client.takeThrough('hi')).toContain('200 OK')
    client.socket.write(head('POST', '/unread', 'Expect: 100-continue', 'Content-Length: 2'))
    expect(await client.takeThrough('\r\n\r\n')).toContain('HTTP/1.1 417')
  })

  test('error ends the connection as a failed network does', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'handle', fn: () => Promise.resolve('error') })
    client.socket.write(head('GET', '/'))
    expect(await client.ended()).toBe('rst')
    expect(server.peers).toHaveLength(0)
  })

  test.each([
    ['throws', () => Promise.reject(new Error('oh')), 'the handler of onRequest failed, and its request passed: oh'],
    ['does not answer in time', () => new Promise<never>(() => {}), 'onRequest did not answer within 20 ms; its request went on'],
  ])('one that %s fails its test, and the request passes', async (_, fn, text) => {
    const { client, server, failures, proxy } = await wire({ decisionTimeout: 20 })
    const { rule: declared } = rule(proxy, { kind: 'handle', fn })
    client.socket.write(`${head('POST', '/', 'Content-Length: 2')}hi`)
    await (await server.accepted()).takeThrough('hi')
    expect(failures).toEqual([expect.objectContaining({ rule: declared, error: expect.objectContaining({ message: text }) as Error })])
  })

  test('hears of a client that leaves before the answer', async () => {
    const { client, proxy } = await wire()
    const { promise, resolve } = Promise.withResolvers<Request>()
    const fn = (request: Request): Promise<RequestAnswer> => {
      resolve(request)
      return new Promise(() => {})
    }
    rule(proxy, { kind: 'handle', fn })
    client.socket.write(head('GET', '/'))
    const { signal } = await promise
    client.socket.destroy()
    await journalled(proxy, () => signal.aborted)
    expect(exchanges(proxy)[0]?.failure).toContain('the client ended')
  })

  test('is given the requests of several clients at once', async () => {
    const { client, proxy, connect } = await wire()
    const other = await connect()
    const answers: ((answer: RequestAnswer) => void)[] = []
    const both = Promise.withResolvers<void>()
    const fn = (): Promise<RequestAnswer> =>
      new Promise(resolve => {
        if (answers.push(resolve) === 2) both.resolve()
      })
    rule(proxy, { kind: 'handle', fn })
    client.socket.write(head('GET', '/1'))
    other.socket.write(head('GET', '/2'))
    await both.promise
    for (const answer of answers.toReversed()) answer(own(204))
    expect(await other.takeThrough('\r\n\r\n')).toContain('204')
    expect(await client.takeThrough('\r\n\r\n')).toContain('204')
  })
})
