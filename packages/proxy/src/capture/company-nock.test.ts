import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { get } from './testing/get.ts'
import { expectNothingLeft } from './testing/nothing-left.ts'
import { Relay } from './testing/relay.ts'
import { httpServer } from './testing/servers.ts'
import type { TestServer } from './testing/servers.ts'

// It intercepts as soon as it is loaded, and what was there before has been noted by now.
const { default: nock } = await import('nock')
nock.restore()

let plain: TestServer
beforeAll(async () => {
  plain = await httpServer()
})
afterAll(() => plain[Symbol.asyncDispose]())
afterEach(() => {
  nock.cleanAll()
  nock.restore()
})

test.each([
  ['nock first', true],
  ['ours first', false],
])('%s: what it mocks never reaches us, the rest does', async (_order, first) => {
  const intercept = (): void => {
    nock.activate()
    nock('http://mocked.test').get('/').reply(200, 'mocked')
  }
  if (first) intercept()
  const relay = await Relay.start()
  if (!first) intercept()
  await expect(get('http://mocked.test/')).resolves.toBe('mocked')
  expect(relay.inbounds).toEqual([])
  await expect(get(`http://127.0.0.1:${plain.port}/http`)).resolves.toBe('answer to /http')
  expect(relay.inbounds.map(({ destination }) => destination.port)).toEqual([plain.port])
  nock.restore()
  await relay[Symbol.asyncDispose]()
  // One connect, which is when a hook that was covered notices that it is not any more.
  await get(`http://127.0.0.1:${plain.port}/`)
  expectNothingLeft()
})
