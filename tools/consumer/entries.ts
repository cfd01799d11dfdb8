// Every entry point of the packages, in a process without vitest and without the optional peers.
import assert from 'node:assert/strict'

const { startProxy } = await import('@midwire/proxy')
const { Authority } = await import('@midwire/proxy/authority')
const { prepareCapture } = await import('@midwire/proxy/capture')
const { json, startInterceptionProxy } = await import('@midwire/sdk')

prepareCapture()()
assert.match(Authority.create().certificate, /BEGIN CERTIFICATE/)
const engine = await startProxy()
await engine.close()
const proxy = await startInterceptionProxy({ codec: json(), upstream: 'none' })
await assert.rejects(fetch('https://api.example.com'), ({ cause }) => cause.code === 'ECONNREFUSED')
assert.deepEqual(proxy.connections, [])
// Node 22 has no `await using` of its own.
await proxy[Symbol.asyncDispose]()
const withoutItsPeer: string = '@midwire/sdk/msgpack'
await assert.rejects(import(withoutItsPeer), { code: 'ERR_MODULE_NOT_FOUND', message: /@msgpack\/msgpack/ })
