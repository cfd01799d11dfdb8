import { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { RawPeer, type RawServer } from '../../test/raw-peer.ts'
import type { RequestAction } from '../rule/request-rule.ts'
import { exchanges, head, journalled, notes, own, rule, wire } from './testing/wire.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const upload = `${head('POST', '/', 'Content-Length: 2')}hi`

/** A server that answers each request, and ends its side once its client has and all was answered. */
async function serve({ accepted }: RawServer, requests: number): Promise<string> {
  const upstream = await accepted()
  for (let n = 0; n < requests; n++) {
    await upstream.until(received => received.toString().split('HTTP/1.').length - 1 > n && received.includes('\r\n\r\n'))
    upstream.socket.write(ok)
  }
  const how = await upstream.ended()
  upstream.socket.end()
  return how
}

describe('a client that has ended its side gets its answers (RFC 9112 §9.6)', () => {
  test('upstream sees its FIN behind its request, also where it is dialled only then', async () => {
    const { client, server } = await wire()
    client.socket.end(head('GET', '/'))
    expect(await serve(server, 1)).toBe('fin')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe(ok)
  })

  test('behind the last of those that it has pipelined', async () => {
    const { client, server } = await wire()
    client.socket.end(head('GET', '/1') + head('GET', '/2') + head('GET', '/3'))
    expect(await serve(server, 3)).toBe('fin')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe(ok + ok + ok)
  })

  test('among them what rules answer', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'respondWith', response: own(200, 'own') }, { when: ({ path }) => path !== '/2' })
    client.socket.end(head('GET', '/1') + head('GET', '/2') + head('GET', '/3'))
    expect(await serve(server, 1)).toBe('fin')
    expect(await client.ended()).toBe('fin')
    expect(client.text.match(/own|ok/g)).toEqual(['own', 'ok', 'own'])
  })

  const later = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 5))
  test.each<[string, RequestAction]>([
    ['delayed request', { kind: 'delay', at: 'request', ms: 5 }],
    ['delayed response', { kind: 'delay', at: 'response', ms: 5 }],
    ['request that is patched later', { kind: 'patchRequest', fn: later }],
    ['response that is patched later', { kind: 'patchResponse', fn: later }],
    ['handler that passes it on later', { kind: 'handle', fn: () => later().then(() => 'passthrough') }],
  ])('a %s', async (_what, action) => {
    const { client, server, proxy } = await wire()
    rule(proxy, action)
    client.socket.end(upload)
    expect(await serve(server, 1)).toBe('fin')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe(ok)
    expect(server.peers[0]?.text).toContain('\r\n\r\nhi')
    expect(exchanges(proxy)[0]).toMatchObject({ failure: undefined, response: { status: 200 } })
  })

  test('an answer of ours that takes its time, which ends the connection', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'handle', fn: () => later().then(() => own(200, 'own')) })
    client.socket.end(upload)
    expect(await client.ended()).toBe('fin')
    expect(client.text).toContain('own')
    expect(server.peers).toEqual([])
  })

  test('a held request stays held, with a line that says so, and goes on when it is released', async () => {
    const { client, server, proxy } = await wire()
    const run = rule(proxy, { kind: 'hold', at: 'request' })
    client.socket.end(upload)
    await journalled(proxy, () => notes(proxy).find(text => text.includes('the client has ended its side')))
    const [held] = run.heldExchanges
    expect(held).toBeDefined()
    if (held) run.releaseExchange(held)
    expect(await serve(server, 1)).toBe('fin')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe(ok)
  })
})

describe('a client that is known to have closed its socket', () => {
  test('is held no more', async () => {
    const { server, proxy } = await wire({ capture: true })
    const run = rule(proxy, { kind: 'hold', at: 'request' })
    const socket = proxy.run(proxy.root, () => new Socket().connect({ host: '127.0.0.1', port: server.port }))
    const client = new RawPeer(socket)
    socket.write(head('GET', '/'))
    await journalled(proxy, () => run.heldExchanges[0])
    const letGo = new Promise<void>(resolve => run.onChange(resolve))
    client.socket.destroy()
    await letGo
    expect(run.heldExchanges).toEqual([])
    expect(exchanges(proxy)[0]?.failure).toContain('the client ended')
  })

  test('is no reason for its handler’s test to fail: the signal of its request says so', async () => {
    const { server, proxy, failures } = await wire({ capture: true })
    const asked = Promise.withResolvers<void>()
    const aborted = Promise.withResolvers<void>()
    const fn = (request: Request): Promise<never> =>
      new Promise((_resolve, reject) => {
        asked.resolve()
        request.signal.addEventListener('abort', () => {
          aborted.resolve()
          reject(new Error('aborted'))
        })
      })
    rule(proxy, { kind: 'handle', fn })
    const socket = proxy.run(proxy.root, () => new Socket().connect({ host: '127.0.0.1', port: server.port }))
    socket.write(head('GET', '/'))
    await asked.promise
    socket.destroy()
    await aborted.promise
    await proxy.endScope(proxy.root)
    expect(failures).toEqual([])
  })
})
