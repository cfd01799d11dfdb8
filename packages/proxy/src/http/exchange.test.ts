import { describe, expect, onTestFinished, test } from 'vitest'
import { type RawPeer, type RawServer, rawClient, rawServer } from '../../test/raw-peer.ts'
import type { ProxyEngine } from '../engine.ts'
import { startProxy } from '../proxy.ts'

/** A raw client, a raw server, and the engine between them. */
interface Wire {
  readonly client: RawPeer
  readonly server: RawServer
  readonly proxy: ProxyEngine
}

async function wire(): Promise<Wire> {
  const server = await rawServer()
  onTestFinished(() => server[Symbol.asyncDispose]())
  const proxy = await startProxy({ capture: false })
  onTestFinished(() => proxy.close())
  const client = await rawClient(Number(new URL(proxy.urlFor(`http://127.0.0.1:${server.port}/`)).port))
  return { client, server, proxy }
}

describe('heads are relayed as they came (T110)', () => {
  test('a request keeps its target, its header order, case and duplicates, and gains nothing', async () => {
    const { client, server } = await wire()
    const head = `GET /a/%2e?b=1&a=2&b=%20 HTTP/1.1\r\nX-Dup: 1\r\nhost: 127.0.0.1:${server.port}\r\nOther: x\r\nx-dup: 2\r\nX-Latin: \xe9\r\n\r\n`
    client.socket.write(head, 'latin1')
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('\r\n\r\n')).toBe(head)
  })

  test('a response keeps status, reason, header order, case and duplicates, and gains nothing', async () => {
    const { client, server } = await wire()
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    const answer = 'HTTP/1.1 299 Rather Odd\r\nset-cookie: a\r\nX-A: 1\r\nSet-Cookie: b\r\nX-Latin: \xe9\r\ncontent-length: 2\r\n\r\nhi'
    upstream.socket.write(answer, 'latin1')
    expect(await client.untilText('hi')).toBe(answer)
  })

  test('chunks and trailers come through, both ways', async () => {
    const { client, server } = await wire()
    client.socket.write(
      'POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Check\r\n\r\n3\r\nabc\r\n0\r\nCheck: 1\r\n\r\n',
    )
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('Check: 1\r\n\r\n')).toContain('3\r\nabc\r\n0\r\nCheck: 1\r\n\r\n')
    upstream.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nSum: 2\r\n\r\n')
    expect(await client.untilText('Sum: 2\r\n\r\n')).toBe(
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nSum: 2\r\n\r\n',
    )
  })

  test.each(['request', 'response'])('a %s that Node reads and refuses to write ends its connection, and nothing else', async which => {
    const { client, server, proxy } = await wire()
    const odd = 'Content-Length: 0\r\nTrailer: x\r\n\r\n'
    client.socket.write(`POST / HTTP/1.1\r\nHost: a\r\n${which === 'request' ? odd : 'Content-Length: 0\r\n\r\n'}`)
    const upstream = await server.accepted()
    if (which === 'response') {
      await upstream.takeThrough('\r\n\r\n')
      upstream.socket.write(`HTTP/1.1 200 OK\r\n${odd}`)
    }
    expect(await client.ended()).toMatch(/fin|rst/)
    expect(await upstream.ended()).toMatch(/fin|rst/)
    const [event] = [...proxy.journal.read()].filter(({ kind }) => kind === 'request')
    expect(event).toMatchObject({ exchange: { failure: expect.stringContaining(`the ${which} cannot be relayed`) as unknown } })
  })

  test('a 101 that nobody asked for ends the connection', async () => {
    const { client, server } = await wire()
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
    expect(await client.ended()).toMatch(/fin|rst/)
  })

  test('a request that waits for its turn when upstream ends fails with its connection, and nothing else does', async () => {
    const { client, server } = await wire()
    client.socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi')
    await client.untilText('hi')
    expect(await client.ended()).toBe('fin')
  })

  test('a response that ends with its connection does so at the client', async () => {
    const { client, server } = await wire()
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.end('HTTP/1.1 200 OK\r\nX: 1\r\n\r\nuntil the end')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('HTTP/1.1 200 OK\r\nX: 1\r\n\r\nuntil the end')
  })

  test.each(['204 No Content', '304 Not Modified'])('a %s has no body and no framing of our own', async status => {
    const { client, server } = await wire()
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write(`HTTP/1.1 ${status}\r\nETag: "x"\r\n\r\n`)
    expect(await client.untilText('\r\n\r\n')).toBe(`HTTP/1.1 ${status}\r\nETag: "x"\r\n\r\n`)
  })

  test('an interim 103 and a 100 for Expect are upstream’s own (T113)', async () => {
    const { client, server } = await wire()
    client.socket.write('PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n')
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('\r\n\r\n')).toContain('Expect: 100-continue')
    expect(client.text).toBe('')
    upstream.socket.write('HTTP/1.1 100 Continue\r\n\r\n')
    await client.takeThrough('HTTP/1.1 100 Continue\r\n\r\n')
    client.socket.write('hi')
    expect((await upstream.take(2)).toString()).toBe('hi')
    upstream.socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
    expect(await client.untilText('200 OK')).toContain('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n')
  })
})

describe('bodies and their framing', () => {
  test('a redirect is relayed, and not followed (T111)', async () => {
    const { client, server } = await wire()
    client.socket.write('GET /old HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    const answer = 'HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n'
    upstream.socket.write(answer)
    expect(await client.takeThrough('\r\n\r\n')).toBe(answer)
    expect(upstream.text).toBe('')
  })

  test('the answer to a HEAD has the length of what it leaves out, and the connection goes on (T110)', async () => {
    const { client, server } = await wire()
    client.socket.write('HEAD / HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n'
    upstream.socket.write(answer)
    expect(await client.takeThrough('\r\n\r\n')).toBe(answer)
    client.socket.write('GET /next HTTP/1.1\r\nHost: a\r\n\r\n')
    expect(await upstream.takeThrough('\r\n\r\n')).toContain('GET /next ')
  })

  test('a head whose body comes late does not wait for it (T113)', async () => {
    const { client, server } = await wire()
    client.socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    client.socket.write('hello')
    expect((await upstream.take(5)).toString()).toBe('hello')
  })
})

describe('one upstream connection for each client connection', () => {
  test('requests that follow each other on a connection do so upstream', async () => {
    const { client, server, proxy } = await wire()
    for (const path of ['/1', '/2', '/3']) {
      client.socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      const upstream = await server.accepted()
      expect(await upstream.takeThrough('\r\n\r\n')).toContain(`GET ${path} `)
      upstream.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      await client.takeThrough('ok')
    }
    expect(server.peers).toHaveLength(1)
    const requests = [...proxy.journal.read()].filter(event => event.kind === 'request').map(event => event.exchange)
    expect(requests.map(({ method, path, response }) => [method, path, response?.status])).toEqual([
      ['GET', '/1', 200],
      ['GET', '/2', 200],
      ['GET', '/3', 200],
    ])
  })

  test('pipelined requests are answered in order', async () => {
    const { client, server } = await wire()
    client.socket.write('GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    for (const path of ['/1', '/2']) {
      expect(await upstream.takeThrough('\r\n\r\n')).toContain(`GET ${path} `)
      upstream.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${path}`)
    }
    const both = await client.untilText('/2')
    expect(both.indexOf('/1')).toBeLessThan(both.indexOf('/2'))
  })

  test('when upstream ends an idle connection, so does the client’s', async () => {
    const { client, server } = await wire()
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    await client.takeThrough('ok')
    upstream.socket.end()
    expect(await client.ended()).toBe('fin')
  })
})

describe('streams', () => {
  test('each event of a stream reaches the client before the next is sent', async () => {
    const { client, server } = await wire()
    client.socket.write('GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n')
    await client.takeThrough('\r\n\r\n')
    for (const event of ['data: 1\n\n', 'data: 2\n\n']) {
      upstream.socket.write(`9\r\n${event}\r\n`)
      expect(await client.takeThrough('\n\n\r\n')).toBe(`9\r\n${event}\r\n`)
    }
  })

  test('a client that leaves in the middle ends its upstream connection', async () => {
    const { client, server } = await wire()
    client.socket.write('GET /events HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n')
    await client.untilText('a\r\n')
    client.socket.destroy()
    expect(await upstream.ended()).toMatch(/fin|rst/)
  })

  test('upstream may answer while the upload goes on (T113)', async () => {
    const { client, server } = await wire()
    client.socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc')
    const upstream = await server.accepted()
    await upstream.takeThrough('abc')
    upstream.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    await client.takeThrough('ok')
    client.socket.write('def')
    expect((await upstream.take(3)).toString()).toBe('def')
  })
})

describe('upstream fails', () => {
  test('an RST before the answer is an RST', async () => {
    const { client, server } = await wire()
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.resetAndDestroy()
    expect(await client.ended()).toBe('rst')
  })

  test('a FIN before the answer is a FIN', async () => {
    const { client, server } = await wire()
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.end()
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('')
  })

  test('a response that breaks off does so at the client, and the journal says so', async () => {
    const { client, server, proxy } = await wire()
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
    const [request] = [...proxy.journal.read()].filter(event => event.kind === 'request')
    expect(request?.exchange).toMatchObject({
      response: { status: 200 },
      responseBytes: 4,
      failure: expect.stringContaining('in the middle'),
    })
  })

  test('a malformed request is refused on its connection alone', async () => {
    const { client, proxy } = await wire()
    client.socket.write('GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toContain('400 Bad Request')
    expect([...proxy.journal.read()]).toContainEqual(expect.objectContaining({ kind: 'note', text: expect.stringContaining('malformed') }))
  })
})
