// Every entry point of the packages, in a process without vitest and without the optional peers.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const { startProxy } = await import('@midwire/proxy')
const { Authority } = await import('@midwire/proxy/authority')
const { prepareCapture } = await import('@midwire/proxy/capture')
// Nothing happens without the variables of a parent.
await import('@midwire/proxy/register')
const { json, startInterceptionProxy } = await import('@midwire/sdk')

prepareCapture()()
assert.match(Authority.create().certificate, /BEGIN CERTIFICATE/)
const engine = await startProxy({ upstream: 'none', adoptUnscoped: true })
const child = `fetch('https://api.example.com').catch(({ cause }) => console.log(cause.code))`
const { stdout } = await promisify(execFile)(process.execPath, ['--eval', child], { env: { ...process.env, ...engine.env() } })
assert.equal(stdout, 'ECONNREFUSED\n')
await engine.close()
const proxy = await startInterceptionProxy({ codec: json(), upstream: 'none' })
await assert.rejects(fetch('https://api.example.com'), ({ cause }) => cause.code === 'ECONNREFUSED')
assert.deepEqual(proxy.connections, [])
// Node 22 has no `await using` of its own.
await proxy[Symbol.asyncDispose]()
const peers = {
  cbor: 'cbor2',
  'engine-io': 'engine.io-parser',
  mqtt: 'mqtt-packet',
  msgpack: '@msgpack/msgpack',
  protobuf: '@bufbuild/protobuf',
  'signalr-msgpack': '@msgpack/msgpack',
  'socket-io': 'io-parser',
}
for (const [name, peer] of Object.entries(peers)) {
  const withoutItsPeer: string = `@midwire/sdk/${name}`
  await assert.rejects(import(withoutItsPeer), { code: 'ERR_MODULE_NOT_FOUND', message: new RegExp(`${peer}'`) })
}
const { phoenix } = await import('@midwire/sdk/phoenix')
const { signalR } = await import('@midwire/sdk/signalr')
const { stomp } = await import('@midwire/sdk/stomp')
assert.deepEqual(
  [phoenix(), signalR(), stomp()].map(({ name }) => name),
  ['phoenix', 'signalr', 'stomp'],
)
