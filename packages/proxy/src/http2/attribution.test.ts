import * as undici from 'undici'
import { describe, expect, onTestFinished, test } from 'vitest'
import { realAuthority } from '../capture/testing/servers.ts'
import { startProxy } from '../proxy.ts'
import type { Scope } from '../scope.ts'
import { ask, client, type OnStream, plainServer, secureServer } from './testing/servers.ts'

const answer: OnStream = stream => {
  stream.respond({ ':status': 200 })
  stream.end('ok')
}

async function twoTests(): Promise<{ in: <T>(name: 'one' | 'two', run: () => T) => T; owners: () => string[] }> {
  const proxy = await startProxy()
  onTestFinished(() => proxy.close())
  const scopes: Record<'one' | 'two', Scope> = { one: proxy.openScope('one'), two: proxy.openScope('two') }
  return {
    in: (name, run) => proxy.run(scopes[name], run),
    owners: () =>
      [...proxy.journal.read()].flatMap(event => (event.kind === 'request' ? [`${event.exchange.path} ${event.scope.name}`] : [])),
  }
}

describe.each([
  ['https', secureServer],
  ['http', plainServer],
])('two concurrent tests on one session over %s', (scheme, serve) => {
  test('are told apart, and from what belongs to neither', async () => {
    const server = await serve(answer)
    const wire = await twoTests()
    const session = wire.in('one', () => client(`${scheme}://localhost:${server.port}`))
    const asks = ['one', 'two', undefined, 'two', 'one'].map((name, n) => {
      const run = (): Promise<unknown> => ask(session, { ':path': `/${n}` })
      return name ? wire.in(name as 'one' | 'two', run) : run()
    })
    await Promise.all(asks)
    await wire.in('two', () => ask(session, { ':path': '/late' }))
    expect(server.sessions).toHaveLength(1)
    // Connected and not yet connected, the stream is that of the code that made it.
    expect(wire.owners()).toEqual(['/0 one', '/1 two', '/3 two', '/4 one', '/late two'])
  })
})

test('so are two that share a Pool of undici, whichever of them opened it', async () => {
  const server = await secureServer(answer)
  const wire = await twoTests()
  const pool = new undici.Pool(`https://localhost:${server.port}`, {
    connections: 1,
    allowH2: true,
    connect: { ca: realAuthority.certificate },
  })
  onTestFinished(() => pool.destroy())
  const get = async (path: string): Promise<void> => (await pool.request({ path, method: 'GET' })).body.dump()
  await Promise.all([wire.in('one', () => get('/0')), wire.in('two', () => get('/1')), get('/2'), wire.in('one', () => get('/3'))])
  await Promise.all([wire.in('two', () => get('/4')), wire.in('one', () => get('/5'))])
  expect(server.sessions).toHaveLength(1)
  expect(wire.owners().toSorted()).toEqual(['/0 one', '/1 two', '/3 one', '/4 two', '/5 one'])
})

test('a session opened before Midwire is refused to a test, by name', async () => {
  const server = await plainServer(answer)
  const session = client(`http://localhost:${server.port}`)
  await ask(session, {})
  const wire = await twoTests()
  const { error } = await wire.in('one', () => ask(session, { ':path': '/early' }))
  expect(String(error)).toContain('GET /early over HTTP/2 was about to go out on a connection')
  expect(wire.owners()).toEqual([])
})
