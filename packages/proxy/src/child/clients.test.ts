import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { deadPort, greetingServer, httpServer, httpsServer, realAuthority, TestServer } from '../capture/testing/servers.ts'
import { startProxy } from '../proxy.ts'
import { runFile } from './testing/node-child.ts'

test('every client of a child reaches its servers, and fails, as without us', async () => {
  await using plain = await httpServer()
  await using plain6 = await httpServer('::1')
  await using secure = await httpsServer('localhost')
  await using greeting = await greetingServer()
  await using closing = await TestServer.listen(createServer(socket => socket.end()))
  await using engine = await startProxy({ capture: false, adoptUnscoped: true })
  const ports = { plain, plain6, secure, greeting, closing }
  const at = Object.fromEntries(Object.entries(ports).map(([name, { port }]) => [name, port]))
  const args = [JSON.stringify({ ...at, dead: await deadPort() }), realAuthority.certificate]
  const ask = async (env: Record<string, string>): Promise<Record<string, unknown>> => {
    const { stdout, stderr } = await runFile(join(import.meta.dirname, 'testing/ask-all.ts'), env, ...args)
    expect(stderr).toBe('')
    // OpenSSL says which thread of its process it was.
    return JSON.parse(stdout.replaceAll(/[0-9A-F]{16}:error/g, 'error')) as Record<string, unknown>
  }
  const [direct, through] = await Promise.all([ask({}), ask(engine.env())])
  expect(through).toEqual(direct)
  expect(direct['ws: a server with TLS that is trusted by option']).toBe('echo of hello')
  const asked = [...engine.journal.read()].filter(event => event.kind === 'tcp')
  expect(asked.length).toBeGreaterThan(Object.keys(direct).length - 20)
})
