import { json } from '@midwire/sdk'
import { useInterceptionProxy } from '@midwire/vitest-plugin'
import { expect, inject, onTestFinished, test } from 'vitest'
import { SafeClient } from './client.ts'

const proxy = useInterceptionProxy({ codec: json<{ action: string; id?: number }>(), route: { 'chat.example.com': inject('server') } })

/** A client of this test. */
function open(): SafeClient {
  const client = new SafeClient()
  onTestFinished(() => client.close())
  return client
}

test('a wait that is not met', async () => {
  const client = open()
  client.send(1)
  await client.heard(2)
  await proxy.waitForClientMessage({ id: 2 }, { timeout: 300 })
})

test('a rule that never acted', () => {
  proxy.onClientMessage({ action: 'NEVER' }).drop()
})

test('a predicate that throws', async () => {
  proxy
    .onClientMessage(() => {
      throw new Error('no idea')
    })
    .drop()
  const client = open()
  client.send(1)
  await client.heard(2)
})

test('a failure of its own', async () => {
  const client = open()
  client.send(1)
  await client.heard(2)
  expect(client.got).toEqual([])
})

test.concurrent('one of two at a time', async () => {
  await proxy.expectNoConnection({}, { for: 50 })
})

test.concurrent('two of two at a time', async () => {
  await proxy.expectNoConnection({}, { for: 50 })
})
