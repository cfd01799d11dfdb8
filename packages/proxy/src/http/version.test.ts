import { describe, expect, test } from 'vitest'
import { head, own, rule, wire } from './testing/wire.ts'

const old = 'GET /HTTP/1.1 HTTP/1.0\r\nHost: a\r\n'

describe('HTTP/1.0 (RFC 9110 §2.5)', () => {
  test('a request stays one, so that its answer is one that its client can read', async () => {
    const { client, server } = await wire()
    client.socket.write(`${old}\r\n`)
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('\r\n\r\n')).toBe(`${old.replace('Host: a', `Host: 127.0.0.1:${server.port}`)}\r\n`)
    upstream.socket.end('HTTP/1.0 200 HTTP/1.1 \r\nX: 1\r\n\r\nuntil the end')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('HTTP/1.0 200 HTTP/1.1 \r\nX: 1\r\n\r\nuntil the end')
  })

  test('a response stays one, and its connection persists where both say so', async () => {
    const { client, server } = await wire()
    for (const path of ['/1', '/2']) {
      client.socket.write(`GET ${path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`)
      const upstream = await server.accepted()
      expect(await upstream.takeThrough('\r\n\r\n')).toBe(`GET ${path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`)
      const answer = 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok'
      upstream.socket.write(answer)
      expect(await client.takeThrough('ok')).toBe(answer)
    }
  })

  test('what a rule has edited keeps its version, too', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'patchResponse', fn: response => void (response.text = 'edited') })
    client.socket.write(`${old}\r\n`)
    const upstream = await server.accepted()
    await upstream.takeThrough('HTTP/1.0\r\n')
    upstream.socket.end('HTTP/1.0 200 OK\r\n\r\nplain')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('HTTP/1.0 200 OK\r\n\r\nedited')
  })

  test('a patched request keeps its version', async () => {
    const { client, server, proxy } = await wire()
    rule(proxy, { kind: 'patchRequest', fn: request => void (request.headers['x-new'] = '1') })
    client.socket.write(`${old}\r\n`)
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('\r\n\r\n')).toMatch(/^GET \/HTTP\/1\.1 HTTP\/1\.0\r\n[^]*x-new: 1/)
  })

  test.each([
    ['ends the connection', [], 'fin'],
    ['keeps it where it says so', ['Connection', 'keep-alive'], 'open'],
  ] as const)('an answer of ours %s', async (_what, headers, outcome) => {
    const { client, proxy } = await wire()
    rule(proxy, { kind: 'respondWith', response: own(200, 'own', headers) }, { times: 1 })
    rule(proxy, { kind: 'respondWith', response: own(200, 'next') }, { when: ({ path }) => path === '/next' })
    client.socket.write(`GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n`)
    await client.takeThrough('own')
    if (outcome === 'fin') expect(await client.ended()).toBe('fin')
    else {
      client.socket.write(head('GET', '/next'))
      expect(await client.takeThrough('next')).toContain('200 OK')
    }
  })

  test('an answer of ours whose length nobody knows ends the connection, whatever it says', async () => {
    const { client, proxy } = await wire()
    const body = new Blob(['all']).stream()
    rule(proxy, { kind: 'respondWith', response: { status: 200, body, headers: ['Connection', 'keep-alive'] } })
    client.socket.write('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\nall')
  })
})
