import { describe, expect, test } from 'vitest'
import type { RawPeer } from '../../test/raw-peer.ts'
import type { FaultPoint } from '../rule/request-rule.ts'
import type { Side } from '../side.ts'
import { exchanges, head, journalled, notes, rule, type Wire, wire } from './testing/wire.ts'
import { tellsResetBehindData } from '../../test/reset.ts'

const upload = `${head('POST', '/', 'Content-Length: 10')}0123456789`
const answerHead = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n'
const answer = `${answerHead}abcdefghij`

interface Faulted extends Wire {
  readonly upstream: RawPeer
}

/** An upload on a connection that upstream knows already, with a fault for it. */
async function faulted(how: 'reset' | 'end' | 'stall', at: FaultPoint, to: Side | 'both' = 'both'): Promise<Faulted> {
  const ends = await wire()
  const { client, server, proxy } = ends
  client.socket.write(head('GET', '/before'))
  const upstream = await server.accepted()
  await upstream.takeThrough('\r\n\r\n')
  upstream.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  await client.takeThrough('ok')
  rule(proxy, { kind: 'fault', how, at, to }, { when: ({ path }) => path === '/' })
  client.socket.write(upload)
  return { ...ends, upstream }
}

const failure = ({ proxy }: Wire): Promise<string> => journalled(proxy, () => exchanges(proxy)[1]?.failure)

describe.skipIf(!tellsResetBehindData)('a reset (T116)', () => {
  test('before the request: upstream gets nothing of it, and both are reset', async () => {
    const ends = await faulted('reset', 'beforeRequest')
    expect(await ends.client.ended()).toBe('rst')
    expect(await ends.upstream.ended()).toBe('rst')
    expect(ends.upstream.text).toBe('')
    expect(await failure(ends)).toContain('reset by onRequest')
  })

  test.each([0, 4])('in the middle of the request: upstream has got its head and %i bytes of its body', async bytes => {
    const ends = await faulted('reset', { requestBytes: bytes })
    expect(await ends.upstream.ended()).toBe('rst')
    expect(await ends.client.ended()).toBe('rst')
    expect(ends.upstream.text).toContain('POST / ')
    expect(ends.upstream.text.split('\r\n\r\n')[1]).toBe('0123456789'.slice(0, bytes))
    expect(ends.client.text).toBe('')
  })

  test('before the response: upstream has got all and has answered, and the client gets nothing', async () => {
    const { client, upstream } = await faulted('reset', 'beforeResponse')
    await upstream.takeThrough('0123456789')
    upstream.socket.write(answerHead)
    expect(await client.ended()).toBe('rst')
    expect(await upstream.ended()).toBe('rst')
    expect(client.text).toBe('')
  })

  test.each([0, 3])('in the middle of the response: the client has got its head and %i bytes of its body', async bytes => {
    const { client, upstream, proxy } = await faulted('reset', { responseBytes: bytes })
    await upstream.takeThrough('0123456789')
    upstream.socket.write(answer)
    expect(await client.ended()).toBe('rst')
    expect(client.text).toBe(answerHead + 'abcdefghij'.slice(0, bytes))
    expect(exchanges(proxy)[1]).toMatchObject({ decision: 'reset', response: { status: 200 } })
  })

  test('after the response: the client has got all of it, and the exchange has not failed', async () => {
    const { client, upstream, proxy } = await faulted('reset', 'afterResponse')
    await upstream.takeThrough('0123456789')
    upstream.socket.write(answer)
    expect(await client.ended()).toBe('rst')
    expect(client.text).toBe(answer)
    expect(exchanges(proxy)[1]).toMatchObject({ failure: undefined, endedAt: expect.any(Number) as number })
  })

  test('for the client alone: upstream answers, and is ended then', async () => {
    const { client, upstream, proxy } = await faulted('reset', { requestBytes: 10 }, 'client')
    await upstream.takeThrough('0123456789')
    expect(await client.ended()).toBe('rst')
    upstream.socket.write(answer)
    expect(await upstream.ended()).toBe('fin')
    expect(exchanges(proxy)[1]).toMatchObject({
      failure: expect.stringContaining('reset for the client') as string,
      response: { status: 200 },
    })
  })

  test('for the server alone: the client hears nothing, and no more comes', async () => {
    const { client, upstream, proxy } = await faulted('reset', { requestBytes: 4 }, 'server')
    expect(await upstream.ended()).toBe('rst')
    await journalled(proxy, () => notes(proxy).find(text => text.includes('reset for the server')))
    expect(client.text).toBe('')
    client.socket.end()
    expect(await client.ended()).toBe('fin')
  })
})

describe('an end (T116)', () => {
  test('in the middle of the response is a FIN behind so many bytes', async () => {
    const { client, upstream } = await faulted('end', { responseBytes: 3 })
    await upstream.takeThrough('0123456789')
    upstream.socket.write(answer)
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe(`${answerHead}abc`)
    expect(await upstream.ended()).toBe('fin')
  })

  test('for the server in the middle of the request is a half-close: its answer still comes', async () => {
    const { client, upstream } = await faulted('end', { requestBytes: 4 }, 'server')
    expect(await upstream.ended()).toBe('fin')
    expect(upstream.text.split('\r\n\r\n')[1]).toBe('0123')
    upstream.socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno')
    expect(await client.takeThrough('no')).toContain('400')
  })

  test('for the client in the middle of the request is a half-close: upstream still gets the rest', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'fault', how: 'end', at: { requestBytes: 4 }, to: 'client' })
    client.socket.write(`${head('POST', '/', 'Content-Length: 10')}01234`)
    expect(await client.ended()).toBe('fin')
    client.socket.write('56789')
    const upstream = await server.accepted()
    await upstream.takeThrough('0123456789')
    upstream.socket.write(answer)
    expect(await upstream.ended()).toBe('fin')
    expect(client.text).toBe('')
  })

  test.each(['beforeRequest', 'beforeResponse'] as const)('%s: the client gets a FIN and nothing else', async at => {
    const { client, upstream } = await faulted('end', at)
    if (at === 'beforeResponse') {
      await upstream.takeThrough('0123456789')
      upstream.socket.write(answer)
    }
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('')
    expect(await upstream.ended()).toMatch(/fin|rst/)
  })
})

describe('a stall (T116)', () => {
  test('before the request: nothing passes, until the client gives up', async () => {
    const ends = await faulted('stall', 'beforeRequest')
    await journalled(ends.proxy, () => notes(ends.proxy).find(text => text.includes('stalled by')))
    expect(ends.upstream.text).toBe('')
    ends.client.socket.end()
    expect(await failure(ends)).toContain('the client ended')
    expect(await ends.upstream.ended()).toMatch(/fin|rst/)
  })

  test('in the middle of the request: upstream has got so much of it', async () => {
    const ends = await faulted('stall', { requestBytes: 4 })
    await journalled(ends.proxy, () => notes(ends.proxy).find(text => text.includes('stalled by')))
    expect((await ends.upstream.untilText('0123')).endsWith('0123')).toBe(true)
    ends.client.socket.resetAndDestroy()
    expect(await ends.upstream.ended()).toBe('rst')
    expect(ends.upstream.text.endsWith('0123')).toBe(true)
  })

  test('in the middle of the response: the client has got so much of it, and an upstream that ends does not end it', async () => {
    const { client, upstream, proxy } = await faulted('stall', { responseBytes: 3 })
    await upstream.takeThrough('0123456789')
    upstream.socket.end(answer)
    await journalled(proxy, () => notes(proxy).find(text => text.includes('stalled by')))
    expect(await client.takeThrough('abc')).toBe(`${answerHead}abc`)
    client.socket.end()
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('')
  })

  test('after the response: the next request on the connection gets no answer', async () => {
    const { client, upstream, proxy } = await faulted('stall', 'afterResponse')
    await upstream.takeThrough('0123456789')
    upstream.socket.write(answer)
    expect(await client.takeThrough('abcdefghij')).toBe(answer)
    client.socket.write(head('GET', '/next'))
    await journalled(proxy, () => exchanges(proxy)[2])
    expect(upstream.text).toBe('')
    await proxy.endScope(proxy.root)
    expect(await client.ended()).toBe('fin')
  })

  test('ends with its test', async () => {
    const { client, upstream, proxy } = await faulted('stall', 'beforeResponse')
    await upstream.takeThrough('0123456789')
    upstream.socket.write(answer)
    await journalled(proxy, () => notes(proxy).find(text => text.includes('stalled by')))
    await proxy.endScope(proxy.root)
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('')
  })
})

test('a fault behind the end of a body does not happen, and a line says so', async () => {
  const { client, upstream, proxy } = await faulted('end', { responseBytes: 100 })
  await upstream.takeThrough('0123456789')
  upstream.socket.write(answer)
  expect(await client.takeThrough('abcdefghij')).toBe(answer)
  await journalled(proxy, () => notes(proxy).find(text => text.includes('the response ended before the 100 bytes')))
})
