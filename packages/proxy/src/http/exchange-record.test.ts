import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import type { RawPeer } from '../../test/raw-peer.ts'
import { exchanges, head, journalled, type Wire, wire } from './testing/wire.ts'

/** One exchange with these bodies, from its first byte to its last. */
async function exchange(
  { client, proxy }: Wire,
  upstream: RawPeer,
  up: Buffer | string,
  down: Buffer | string,
  ...lines: string[]
): Promise<void> {
  const count = exchanges(proxy).length
  client.socket.write(head('POST', '/', `Content-Length: ${up.length}`, ...lines))
  client.socket.write(up)
  await upstream.takeThrough('\r\n\r\n')
  await upstream.take(up.length)
  upstream.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${down.length}\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`)
  upstream.socket.write(down)
  await client.takeThrough('\r\n\r\n')
  await client.take(down.length)
  await journalled(proxy, () => exchanges(proxy)[count]?.endedAt)
}

/** A wire that is connected to upstream. */
async function connected(journalLimit?: number): Promise<readonly [Wire, RawPeer]> {
  const ends = await wire(journalLimit === undefined ? {} : { journalLimit })
  ends.client.socket.write(head('GET', '/first'))
  const upstream = await ends.server.accepted()
  await upstream.takeThrough('\r\n\r\n')
  upstream.socket.write('HTTP/1.1 204 No Content\r\n\r\n')
  await ends.client.takeThrough('\r\n\r\n')
  await journalled(ends.proxy, () => exchanges(ends.proxy)[0]?.endedAt)
  return [ends, upstream]
}

test('bodies of both sides can be read, as bytes, text and JSON', async () => {
  const [ends, upstream] = await connected()
  await exchange(ends, upstream, '{"a":1}', 'plain')
  expect(exchanges(ends.proxy)[1]).toMatchObject({
    body: Buffer.from('{"a":1}'),
    text: '{"a":1}',
    json: { a: 1 },
    complete: true,
    requestBytes: 7,
    responseBytes: 5,
    response: { text: 'plain', json: undefined, complete: true, lack: undefined },
  })
  expect(exchanges(ends.proxy)[1]?.delivered).toBe(exchanges(ends.proxy)[1]?.response)
})

test('an exchange without bodies has empty ones', async () => {
  const [{ proxy }] = await connected()
  expect(exchanges(proxy)[0]).toMatchObject({ text: '', complete: true, response: { text: '', complete: true } })
})

test('bodies are read without their content coding; one that is not so coded has none, and says why', async () => {
  const [ends, upstream] = await connected()
  await exchange(ends, upstream, gzipSync('up'), gzipSync('down'), 'Content-Encoding: gzip')
  await exchange(ends, upstream, 'up', 'down', 'Content-Encoding: gzip')
  const [, good, bad] = exchanges(ends.proxy)
  expect(good).toMatchObject({ text: 'up', response: { text: 'down' } })
  expect(bad?.text).toBeUndefined()
  expect(bad).toMatchObject({ lack: expect.stringContaining('is not "gzip"') as string, requestBytes: 2 })
})

test('of what is more than the journal may keep, the oldest bodies go, and never the counts', async () => {
  const [ends, upstream] = await connected(16_000)
  for (let n = 0; n < 12; n++) await exchange(ends, upstream, Buffer.alloc(1500, 'u'), Buffer.alloc(500, 'd'))
  const seen = exchanges(ends.proxy).slice(1)
  expect(seen.map(({ requestBytes, responseBytes }) => requestBytes + responseBytes)).toEqual(Array.from({ length: 12 }, () => 2000))
  expect(seen[0]).toMatchObject({ body: undefined, lack: expect.stringContaining('journalLimit') as string, response: { body: undefined } })
  expect(seen.at(-1)).toMatchObject({ text: 'u'.repeat(1500), response: { text: 'd'.repeat(500) } })
  expect(ends.proxy.journal.weight).toBeLessThanOrEqual(16_000)
})

test('a body that alone would fill the journal is not kept at all, and pushes no other out', async () => {
  const [ends, upstream] = await connected(16_000)
  await exchange(ends, upstream, 'small', Buffer.alloc(40_000))
  await exchange(ends, upstream, Buffer.alloc(40_000), 'small')
  const [, first, second] = exchanges(ends.proxy)
  expect(first).toMatchObject({
    text: 'small',
    responseBytes: 40_000,
    response: { body: undefined, lack: expect.stringContaining('larger') as string },
  })
  expect(second).toMatchObject({ body: undefined, requestBytes: 40_000, response: { text: 'small' } })
})

test('headers are those that Node makes of the same lines', async () => {
  const [ends, upstream] = await connected()
  const lines = ['Cookie: a=1', 'cookie: b=2', 'X-A: 1', 'x-a: 2', 'Set-Cookie: a', 'set-cookie: b', 'Age: 1', 'age: 2']
  await exchange(ends, upstream, '', '', ...lines)
  expect(exchanges(ends.proxy)[1]).toMatchObject({
    headers: { cookie: 'a=1; b=2', 'x-a': '1, 2', 'set-cookie': ['a', 'b'], age: '1' },
    response: { headers: { 'set-cookie': ['a', 'b'], 'x-a': '1, 2' } },
  })
})
