import http from 'node:http'
import { setImmediate } from 'node:timers/promises'
import * as undici from 'undici'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Scope } from '../scope.ts'
import { realm } from './realm.ts'
import { Relay } from './testing/relay.ts'
import { httpServer } from './testing/servers.ts'
import type { TestServer } from './testing/servers.ts'

const scope = new Scope('a test')
let server: TestServer
beforeAll(async () => {
  server = await httpServer()
})
afterAll(() => server[Symbol.asyncDispose]())

function get(path: string, agent: http.Agent): Promise<string> {
  return new Promise((resolve, reject) => {
    http
      .get(`http://127.0.0.1:${server.port}${path}`, { agent }, response => {
        let body = ''
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk))
        response.on('end', () => resolve(body))
      })
      .on('error', reject)
  })
}

describe('a socket that was pooled before the installation', () => {
  test('of an agent is given up for a new one by a test’s request', async () => {
    const agent = new http.Agent({ keepAlive: true })
    await get('/before', agent)
    await using relay = await Relay.start()
    await expect(realm().scopes.run(scope, () => get('/after', agent))).resolves.toBe('answer to /after')
    expect(relay.exchanges).toEqual(['GET /after by a test'])
    agent.destroy()
  })

  test('of an agent serves on outside any test', async () => {
    const agent = new http.Agent({ keepAlive: true })
    await get('/before', agent)
    await using relay = await Relay.start()
    await expect(get('/after', agent)).resolves.toBe('answer to /after')
    expect(relay.inbounds).toEqual([])
    agent.destroy()
  })

  test.each<[string, () => { ask(path: string): Promise<string>; close(): Promise<void> }]>([
    [
      'undici',
      () => {
        const pool = new undici.Pool(`http://127.0.0.1:${server.port}`, { connections: 1 })
        return { ask: async path => (await pool.request({ path, method: 'GET' })).body.text(), close: () => pool.destroy() }
      },
    ],
    [
      'fetch',
      () => ({ ask: async path => (await fetch(`http://127.0.0.1:${server.port}${path}`)).text(), close: () => Promise.resolve() }),
    ],
  ])('of %s fails a test’s request, by name, and the next has a new one', async (_name, make) => {
    const client = make()
    await client.ask('/before')
    // The body has ended; the socket is free a turn later.
    await setImmediate()
    await using relay = await Relay.start()
    const error: unknown = await realm()
      .scopes.run(scope, () => client.ask('/after'))
      .catch((reason: unknown) => reason)
    const { cause = error } = error as Error
    expect(cause).toMatchObject({ code: 'MIDWIRE_CAPTURE' })
    expect(String(cause)).toMatch(
      /GET http:\/\/127\.0\.0\.1:\d+\/after was about to go out on a connection to 127\.0\.0\.1:\d+ that was opened before Midwire was installed/,
    )
    await expect(realm().scopes.run(scope, () => client.ask('/again'))).resolves.toBe('answer to /again')
    expect(relay.exchanges).toEqual(['GET /again by a test'])
    await client.close()
  })
})
