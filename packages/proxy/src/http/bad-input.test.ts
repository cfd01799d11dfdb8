import { describe, expect, test } from 'vitest'
import { exchanges, head, journalled, notes, wire } from './testing/wire.ts'

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

describe('a request that llhttp refuses', () => {
  test.each([
    ['both framings', head('POST', '/', 'Content-Length: 4', 'Transfer-Encoding: chunked')],
    ['two lengths that differ', head('POST', '/', 'Content-Length: 4', 'Content-Length: 5')],
    ['a length that is no number', head('POST', '/', 'Content-Length: +4')],
    ['a coding that is not chunked last', head('POST', '/', 'Transfer-Encoding: chunked, gzip')],
    ['a space before the colon', head('GET', '/', 'X : 1')],
    ['a line that is folded', 'GET / HTTP/1.1\r\nHost: a\r\n X: 1\r\n\r\n'],
    ['a bare LF', 'GET / HTTP/1.1\nHost: a\n\n'],
    ['a control character in a value', head('GET', '/', 'X: a\u0000b')],
    ['no method', '\u0001\u0002 / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a version that is none', 'GET / HTTP/9.9\r\nHost: a\r\n\r\n'],
  ])('with %s: is answered 400 on its connection alone, with a line that says why; upstream sees nothing of it', async (_, request) => {
    const { client, server, proxy, connect } = await wire()
    const bystander = await connect()
    client.socket.write(request, 'latin1')
    expect(await client.ended()).toBe('fin')
    expect(client.text).toBe('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')
    expect(notes(proxy)).toEqual([expect.stringMatching(/refused a malformed request of the client .*HPE_/)])
    expect(server.peers).toHaveLength(0)
    bystander.socket.write(head('GET', '/'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write(ok)
    expect(await bystander.takeThrough('ok')).toBe(ok)
  })

  test('with more header bytes than anybody takes: is answered 431', async () => {
    const { client, proxy } = await wire()
    client.socket.write(`GET / HTTP/1.1\r\nX: ${'a'.repeat(300_000)}`)
    expect(await client.ended()).toMatch(/fin|rst/)
    expect(client.text).toContain('431 Request Header Fields Too Large')
    expect(notes(proxy)).toEqual([expect.stringContaining('HPE_HEADER_OVERFLOW')])
  })

  test('thousands of short header lines pass, all of them', async () => {
    const { client, server } = await wire()
    const request = head('GET', '/', ...Array.from({ length: 5000 }, (_, n) => `X-${n}: ${n}`))
    client.socket.write(request)
    const upstream = await server.accepted()
    expect(await upstream.takeThrough('\r\n\r\n')).toBe(request.replace('Host: a', `Host: 127.0.0.1:${server.port}`))
    const answer = `HTTP/1.1 204 No Content\r\n${Array.from({ length: 5000 }, (_, n) => `Y-${n}: ${n}\r\n`).join('')}\r\n`
    upstream.socket.write(answer)
    expect(await client.takeThrough('\r\n\r\n')).toBe(answer)
  })

  test.each([
    ['a size that is no number', 'x\r\n'],
    ['a signed size', '+2\r\nab\r\n'],
    ['a size that overflows', 'fffffffffffffffff\r\n'],
    ['more bytes than its size says', '2\r\nabc\r\n0\r\n\r\n'],
  ])('in a chunk with %s: ends both sides, and upstream takes it for no whole request', async (_, chunk) => {
    const { client, server, proxy } = await wire()
    client.socket.write(`${head('POST', '/', 'Transfer-Encoding: chunked')}2\r\nhi\r\n`)
    const upstream = await server.accepted()
    await upstream.takeThrough('2\r\nhi\r\n')
    client.socket.write(chunk)
    expect(await client.ended()).toBe('fin')
    expect(client.text).toContain('400 Bad Request')
    expect(await upstream.ended()).toMatch(/fin|rst/)
    expect(upstream.text).not.toContain('0\r\n\r\n')
    expect(exchanges(proxy)[0]?.failure).toBeDefined()
  })

  test('in the middle of an answer: the answer is not mixed with one of ours', async () => {
    const { client, server } = await wire()
    client.socket.write(`${head('POST', '/', 'Transfer-Encoding: chunked')}2\r\nhi\r\n`)
    const upstream = await server.accepted()
    await upstream.takeThrough('hi\r\n')
    upstream.socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
    await client.untilText('half')
    client.socket.write('x\r\n')
    expect(await client.ended()).toMatch(/fin|rst/)
    expect(client.text).toBe('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf')
  })

  test('with fewer bytes than its length says: upstream sees that it ended early', async () => {
    const { client, server } = await wire()
    client.socket.write(`${head('POST', '/', 'Content-Length: 9')}half`)
    const upstream = await server.accepted()
    await upstream.takeThrough('half')
    client.socket.end()
    expect(await upstream.ended()).toMatch(/fin|rst/)
  })
})

describe('a response that llhttp refuses', () => {
  test.each([
    ['both framings', 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nabcd'],
    ['two lengths that differ', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'],
    ['no status', 'HTTP/1.1 OK\r\n\r\n'],
    ['another protocol', 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nX : 1\r\n\r\n'],
    ['more header bytes than anybody takes', `HTTP/1.1 200 OK\r\nX: ${'a'.repeat(300_000)}`],
  ])('with %s: never reaches the client; the line says why and whose it is', async (_, response) => {
    const { client, server, proxy } = await wire()
    client.socket.write(head('GET', '/x'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write(response)
    expect(await client.ended()).toMatch(/fin|rst/)
    expect(client.text).toBe('')
    expect(await upstream.ended()).toMatch(/fin|rst/)
    expect(notes(proxy)).toEqual([
      expect.stringMatching(new RegExp(`GET http://127.0.0.1:${server.port}/x: refused a malformed response of the server .*HPE_`)),
    ])
    expect(exchanges(proxy)[0]?.failure).toContain('malformed')
  })

  test('in the middle of its body: breaks off at the client, too', async () => {
    const { client, server, proxy } = await wire()
    client.socket.write(head('GET', '/'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n')
    await client.untilText('hi\r\n')
    upstream.socket.write('nonsense\r\n')
    expect(await client.ended()).toMatch(/fin|rst/)
    expect(client.text.endsWith('2\r\nhi\r\n')).toBe(true)
    expect(notes(proxy)).toContainEqual(expect.stringContaining('malformed response'))
  })

  test('with more bytes than its length says: the rest is nobody’s answer', async () => {
    const { client, server, proxy } = await wire()
    client.socket.write(head('GET', '/1'))
    const upstream = await server.accepted()
    await upstream.takeThrough('\r\n\r\n')
    upstream.socket.write(`${ok}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`)
    expect(await client.ended()).toMatch(/fin|rst/)
    expect(client.text).toBe(ok)
    await journalled(proxy, () => notes(proxy).find(text => text.includes('nobody had asked for: a second response')))
  })
})

test('what a server says between two requests reaches the client, as it would have without us, with a line of the journal', async () => {
  const { client, server, proxy } = await wire()
  client.socket.write(head('GET', '/1'))
  const upstream = await server.accepted()
  await upstream.takeThrough('\r\n\r\n')
  upstream.socket.write(ok)
  await client.takeThrough('ok')
  const late = 'HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
  upstream.socket.end(late)
  expect(await client.ended()).toBe('fin')
  expect(client.text).toBe(late)
  expect(notes(proxy)).toEqual([expect.stringContaining('nobody had asked for')])
})

test.each(['', 'GET / HT', `${head('POST', '/', 'Content-Length: 4')}ab`])('a reset behind %j is no malformed request', async begun => {
  const { client, proxy, connect } = await wire()
  client.socket.write(`${head('GET', '/')}${begun}`)
  await journalled(proxy, () => exchanges(proxy)[begun.endsWith('ab') ? 1 : 0])
  client.socket.resetAndDestroy()
  // What is sent later on another connection is read later.
  const other = await connect()
  other.socket.write('nonsense\r\n\r\n')
  await other.ended()
  expect(notes(proxy).filter(text => text.includes('malformed'))).toHaveLength(1)
})
