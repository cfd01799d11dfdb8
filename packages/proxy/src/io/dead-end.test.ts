import { once } from 'node:events'
import { get } from 'node:https'
import { connect } from 'node:net'
import { connect as tlsConnect } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { rawClient } from '../../test/raw-peer.ts'
import { httpServer } from '../capture/testing/servers.ts'
import type { ProxyEngine } from '../engine.ts'
import { startProxy } from '../proxy.ts'
import type { ConnectAction } from '../rule/rule.ts'
import type { Scope } from '../scope.ts'

const failures: string[] = []

async function proxyWith(action: ConnectAction, route?: string, scope?: (proxy: ProxyEngine) => Scope): Promise<ProxyEngine> {
  failures.length = 0
  const proxy = await startProxy({
    adoptUnscoped: true,
    ...(route === undefined ? { upstream: 'none' } : { route: { 'ends.test': route } }),
    onFailure: ({ error }) => failures.push(error.message),
  })
  onTestFinished(() => proxy.close())
  proxy.rules.add({
    on: 'connect',
    scope: scope?.(proxy) ?? proxy.root,
    at: { file: '/dead-end.test.ts', line: 7, column: 1 },
    start: 'onConnect',
    optional: false,
    match: { test: () => true, text: 'any' },
    action,
  })
  return proxy
}

test('a connection that hangs ends with the scope of its client', async () => {
  let test: Scope | undefined
  const proxy = await proxyWith({ kind: 'hang' }, undefined, engine => (test = engine.openScope('a test')))
  const client = proxy.run(test!, () => connect({ host: 'ends.test', port: 443 }))
  await once(client, 'connect')
  client.write('anything')
  const closed = once(client, 'close')
  client.resume()
  await proxy.endScope(test!)
  await closed
})

test('a client that waits for a connect sees it time out when its scope ends', async () => {
  let test: Scope | undefined
  const proxy = await proxyWith({ kind: 'timeout' }, undefined, engine => (test = engine.openScope('a test')))
  const client = proxy.run(test!, () => connect({ host: '192.0.2.7', port: 443 }))
  const failed = once(client, 'error')
  const steps: string[] = []
  for (const step of ['connectionAttempt', 'connectionAttemptFailed']) client.on(step, () => steps.push(step))
  await once(client, 'connectionAttempt')
  await proxy.endScope(test!)
  expect(await failed).toMatchObject([{ code: 'ETIMEDOUT', message: 'connect ETIMEDOUT 192.0.2.7:443', address: '192.0.2.7' }])
  expect(steps).toEqual(['connectionAttempt', 'connectionAttemptFailed'])
})

test('an alert of TLS for a client that speaks none fails the test, and the client is reset', async () => {
  await proxyWith({ kind: 'failTls', alert: 'internal_error' })
  await expect(fetch('http://ends.test/')).rejects.toMatchObject({ cause: { code: 'ECONNRESET' } })
  expect(failures).toEqual(['onConnect (dead-end.test.ts:7) cannot failTls: the client speaks no TLS to ends.test:80'])
})

test('a name that does not resolve fails the test of a client that connects to an address', async () => {
  await proxyWith({ kind: 'failDns' })
  await expect(fetch('http://192.0.2.7/')).rejects.toMatchObject({ cause: { code: 'ENOTFOUND' } })
  expect(failures).toEqual(['onConnect (dead-end.test.ts:7) cannot failDns: 192.0.2.7 is an address, which no client looks up'])
})

test('a client that accepts any certificate goes on behind a false one, which tells whom it is for', async () => {
  await using server = await httpServer()
  const proxy = await proxyWith({ kind: 'presentCertificate', certificate: 'expired' }, `http://127.0.0.1:${server.port}`)
  const [response] = await once(get('https://ends.test/page', { rejectUnauthorized: false, agent: false }), 'response')
  expect(response.socket.getPeerCertificate()).toMatchObject({ subjectaltname: 'DNS:ends.test' })
  expect(response.socket.authorizationError).toBe('CERT_HAS_EXPIRED')
  let body = ''
  for await (const chunk of response) body += String(chunk)
  expect(body).toBe('answer to /page')
  expect([...proxy.journal.read()].find(event => event.kind === 'tcp')?.outcome()).toBe('connected')
})

test('a false certificate for a client that speaks no TLS fails the test, and the client goes on', async () => {
  await using server = await httpServer()
  await proxyWith({ kind: 'presentCertificate', certificate: 'selfSigned' }, `http://127.0.0.1:${server.port}`)
  expect(await (await fetch('http://ends.test/page')).text()).toBe('answer to /page')
  expect(failures).toEqual(['onConnect (dead-end.test.ts:7) cannot presentCertificate: the client speaks no TLS to ends.test:80'])
})

test.each([
  [{ kind: 'refuse' }, 'refused by onConnect (dead-end.test.ts:7)'],
  [{ kind: 'unreachable', code: 'ENETUNREACH' }, 'unreachable (ENETUNREACH) by onConnect (dead-end.test.ts:7)'],
  [{ kind: 'hangUp', how: 'rst' }, 'accepted and ended with RST by onConnect (dead-end.test.ts:7)'],
  [{ kind: 'failTls', alert: 'unknown_ca' }, 'TLS alert unknown_ca by onConnect (dead-end.test.ts:7)'],
] as const)('the journal tells what became of the connect: %j', async (action, outcome) => {
  const proxy = await proxyWith(action)
  const client = tlsConnect({ host: 'ends.test', port: 443, servername: 'ends.test' })
  await new Promise(resolve => client.once('error', resolve))
  expect([...proxy.journal.read()].find(event => event.kind === 'tcp')?.outcome()).toBe(outcome)
})

test.each([
  ['fin', 'fin'],
  ['rst', 'rst'],
] as const)('a client of urlFor(), which is connected to us, sees the same end: %s', async (how, seen) => {
  const proxy = await proxyWith({ kind: 'hangUp', how })
  const peer = await rawClient(Number(new URL(proxy.urlFor('http://ends.test/')).port))
  peer.socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  expect(await peer.ended()).toBe(seen)
  peer.socket.destroy()
})
