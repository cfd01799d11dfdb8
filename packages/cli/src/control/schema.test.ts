import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { startControlServer } from './control-server.ts'
import { methods } from './methods.ts'
import { Chat, startEchoServer } from './testing/chat.ts'
import { ControlClient } from './testing/control-client.ts'
import type { Json } from './testing/control-client.ts'

const schema = JSON.parse(readFileSync(new URL('../../schema/control.schema.json', import.meta.url), 'utf8')) as {
  readonly $defs: Readonly<Record<string, object>>
}
const ajv = new Ajv2020({ allErrors: true, strictTypes: false })
ajv.addSchema(schema, 'control')

/** What the schema has against it. */
function faults(definition: string, value: unknown): string {
  const validate = ajv.getSchema(`control#/$defs/${definition}`)
  if (!validate) throw new Error(`the schema has no ${definition}`)
  return validate(value) ? '' : `${definition}: ${ajv.errorsText(validate.errors)} in ${JSON.stringify(value)}`
}

test('the schema knows the methods that there are, and no others', () => {
  const known = Object.keys(schema.$defs).flatMap(name => (name.endsWith('.params') ? [name.slice(0, -'.params'.length)] : []))
  const answered = [...Object.keys(methods), 'startInterception', 'stopInterception', 'transformInterceptedMessage']
  expect(known.toSorted()).toEqual(answered.toSorted())
})

test('the schema names the parameters that a method takes', () => {
  for (const [name, { params }] of Object.entries(methods)) {
    const { $ref, properties } = schema.$defs[`${name}.params`] as { $ref?: string; properties?: object }
    const named = properties ?? (schema.$defs[$ref?.split('/').at(-1) ?? ''] as { properties: object }).properties
    expect([name, ...Object.keys(named).toSorted()]).toEqual([name, ...params.toSorted()])
  }
})

test('everything that a suite and the server say to each other is as the schema says', async () => {
  await using server = await startControlServer()
  await using echo = await startEchoServer()
  await using suite = await ControlClient.open(server.url, server.token)
  const called = new Map<unknown, string>()
  suite.onAsked = asked =>
    asked.answer(asked.params['data'] === 'two' ? { action: 'replace', type: 'binary', data: 'AA==' } : { action: 'pass' })

  await suite.call('startInterception', { mode: 'proxy', decisionTimeout: 9000 })
  const chat = await Chat.open(String((await suite.call('urlFor', { url: echo.url }))['url']))
  const { connectionID } = await suite.notified('connectionOpened')
  const { ruleID } = await suite.call('addRule', {
    start: 'onServerMessage',
    match: { id: { $any: 'number' } },
    modifiers: { named: 'hold it', times: 2, skip: 0, every: 1, on: connectionID, optional: true },
    verb: 'hold',
    args: [{ others: 'pass' }],
    then: [{ verb: 'thenSendToClient', args: ['and more'] }],
  })
  chat.say('{"id":1}', 'two')
  await suite.notified('held')
  await suite.call('waitForHit', { ruleID, count: 1, timeout: 5000 })
  await suite.call('ruleState', { ruleID })
  await suite.call('release', { ruleID, count: 1 })
  const { seq } = await suite.call('waitFor', { what: 'serverMessage', match: { id: 1 }, timeout: 5000 })
  await suite.call('removeRule', { ruleID })
  await suite.call('injectMessage', { connectionID, fromClient: false, type: 'text', data: 'hi' })
  await suite.call('sendMessage', { connectionID, to: 'client', value: { $base64: 'AAE=' }, at: 'now' })
  await suite.call('flushed', { connectionID })
  await suite.call('freeze', { connectionID, from: 'client' })
  await suite.call('thaw', { connectionID })
  await suite.call('waitFor', { what: 'connection', after: -1, nth: 1 })
  await suite.call('connections')
  await suite.call('mark')
  await suite.call('expectNo', { what: 'connection', after: seq })
  const { networkID } = await suite.call('network', { conditions: { latency: 1, connection: connectionID } })
  await suite.call('network', { networkID, conditions: { latency: 2 } })
  await suite.call('restoreNetwork', { networkID })
  await suite.call('goOffline', { hosts: ['elsewhere.example'], error: 'refused', end: 'fin' })
  await suite.call('goOnline')
  const held = await suite.call('holdClose', { from: 'server', connectionID, once: true })
  await suite.call('closeConnection', { connectionID, code: 4000, reason: 'enough', to: 'server' })
  await suite.call('release', { ruleID: held['ruleID'] })
  await suite.call('terminate', { connectionID })
  await suite.notified('connectionClosed')
  const refused = await suite.call('addRule', { start: 'onConnect', verb: 'respondWith', args: [503, 'later'] })
  new Chat(String((await suite.call('urlFor', { url: echo.url }))['url']))
  await suite.call('waitForHit', { ruleID: refused['ruleID'] })
  await suite.notified('connectionRefused')
  await suite.call('removeRule', { ruleID: refused['ruleID'] })
  await Chat.open(String((await suite.call('urlFor', { url: echo.url }))['url']))
  await suite.call('reset', { connectionID: (await suite.notified('connectionOpened', 2))['connectionID'] })
  await suite.call('addRule', { start: 'onRequest', match: { path: '/a' }, verb: 'respondWith', args: [200, { a: 1 }] })
  const url = String((await suite.call('urlFor', { url: 'http://nowhere.example/a' }))['url'])
  expect(await (await fetch(url)).json()).toEqual({ a: 1 })
  await suite.call('waitFor', { what: 'response', match: { status: 200 } })
  await suite.call('waitFor', { what: 'close' })
  await suite.call('journal', { after: -1, limit: 500 })
  await suite.call('transcript')
  await suite.request('waitFor', { what: 'request', match: { path: '/b' }, timeout: 1 })
  await suite.call('stopInterception')

  for (const { from, json } of suite.seen) {
    const { id, method, result, error } = json as Json
    const isQuestion = from === 'server' && method !== undefined && id !== undefined
    if (method !== undefined && id !== undefined) called.set(`${from} ${String(id)}`, String(method))
    const kind =
      error === undefined
        ? result === undefined
          ? id === undefined
            ? 'notification'
            : isQuestion
              ? 'question'
              : 'request'
          : 'answer'
        : 'error'
    expect(faults(kind, json)).toBe('')
    const asker = from === 'client' ? 'server' : 'client'
    if (kind === 'answer') expect(faults(`${called.get(`${asker} ${String(id)}`) ?? ''}.result`, result)).toBe('')
  }
  // Nothing of the protocol was left out.
  const notified = Object.keys(schema.$defs).flatMap(name =>
    name.endsWith('.notification') ? [name.slice(0, -'.notification'.length)] : [],
  )
  expect(new Set(suite.notifications.map(({ method }) => method))).toEqual(new Set(notified))
  expect(new Set(called.values())).toEqual(
    new Set([...Object.keys(methods), 'startInterception', 'stopInterception', 'transformInterceptedMessage']),
  )
})

test('what is not of the protocol is not of the schema', () => {
  const request = { jsonrpc: '2.0', id: 1, method: 'addRule', params: { start: 'onMessage', verb: 'drop' } }
  expect(faults('request', request)).toBe('')
  expect(faults('request', { ...request, params: { start: 'onMessages', verb: 'drop' } })).not.toBe('')
  expect(faults('request', { ...request, method: 'addRules' })).not.toBe('')
  expect(faults('transformInterceptedMessage.result', { action: 'replace' })).not.toBe('')
  expect(faults('startInterception.params', { mode: 'local' })).not.toBe('')
})
