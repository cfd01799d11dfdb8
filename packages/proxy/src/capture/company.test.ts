import { http as handle, HttpResponse, bypass } from 'msw'
import { setupServer } from 'msw/node'
import { Agent, request } from 'undici'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { realm } from './realm.ts'
import { prepareCapture } from './reroute.ts'
import { get } from './testing/get.ts'
import { expectNothingLeft } from './testing/nothing-left.ts'
import { Relay } from './testing/relay.ts'
import { httpServer, httpsServer, lookupOf, realAuthority } from './testing/servers.ts'
import type { TestServer } from './testing/servers.ts'
import { Scope } from '../scope.ts'

let plain: TestServer
let secure: TestServer
beforeAll(async () => {
  plain = await httpServer()
  secure = await httpsServer('real.test')
})
afterAll(async () => {
  await plain[Symbol.asyncDispose]()
  await secure[Symbol.asyncDispose]()
})

async function getSecurely(): Promise<string> {
  const dispatcher = new Agent({ connect: { lookup: lookupOf('127.0.0.1'), ca: realAuthority.certificate } })
  try {
    return await (await request(`https://real.test:${secure.port}/secure`, { dispatcher })).body.text()
  } finally {
    await dispatcher.destroy()
  }
}

/** One connect, which is when a hook that was covered notices that it is not any more. */
async function connectOnce(): Promise<void> {
  await get(`http://127.0.0.1:${plain.port}/`)
}

describe('beside msw', () => {
  const mocked = handle.get('http://mocked.test/', () => HttpResponse.text('mocked'))
  const passed = handle.get('http://handled.test/', async () =>
    HttpResponse.text(await (await fetch(bypass(`http://127.0.0.1:${plain.port}/inner`))).text()),
  )
  function startMsw(): () => void {
    const server = setupServer(mocked, passed)
    server.listen({ onUnhandledFrame: 'bypass' })
    return () => server.close()
  }

  async function expectBothAtWork(relay: Relay): Promise<void> {
    const before = relay.inbounds.length
    // What it mocks, it wins, and never reaches us.
    await expect(get('http://mocked.test/')).resolves.toBe('mocked')
    await expect((await fetch('http://mocked.test/')).text()).resolves.toBe('mocked')
    expect(relay.inbounds.slice(before)).toEqual([])
    // What it passes on comes through us.
    await expect(get(`http://127.0.0.1:${plain.port}/http`)).resolves.toBe('answer to /http')
    await expect((await fetch(`http://127.0.0.1:${plain.port}/fetch`, { headers: { connection: 'close' } })).text()).resolves.toBe(
      'answer to /fetch',
    )
    await expect(getSecurely()).resolves.toBe('answer to /secure')
    await expect((await fetch('http://handled.test/')).text()).resolves.toBe('answer to /inner')
    expect(relay.inbounds.slice(before).map(({ destination }) => destination.port)).toEqual([
      plain.port,
      plain.port,
      secure.port,
      plain.port,
    ])
  }

  test('msw on, ours on, ours off, msw off', async () => {
    const stopMsw = startMsw()
    const relay = await Relay.start()
    await expectBothAtWork(relay)
    await relay[Symbol.asyncDispose]()
    await expect(get('http://mocked.test/')).resolves.toBe('mocked')
    stopMsw()
    expectNothingLeft()
  })

  test('msw on, ours on, msw off, ours off', async () => {
    const stopMsw = startMsw()
    const relay = await Relay.start()
    await expectBothAtWork(relay)
    stopMsw()
    await expect(get(`http://127.0.0.1:${plain.port}/still`)).resolves.toBe('answer to /still')
    expect(relay.exchanges.at(-1)).toMatch(/^GET \/still/)
    await relay[Symbol.asyncDispose]()
    expectNothingLeft()
  })

  test('ours on, msw on, msw off, ours off', async () => {
    const relay = await Relay.start()
    const stopMsw = startMsw()
    await expectBothAtWork(relay)
    stopMsw()
    await expect(get(`http://127.0.0.1:${plain.port}/still`)).resolves.toBe('answer to /still')
    expect(relay.exchanges.at(-1)).toMatch(/^GET \/still/)
    await relay[Symbol.asyncDispose]()
    expectNothingLeft()
  })

  test('ours on, msw on, ours off, msw off', async () => {
    const relay = await Relay.start()
    const stopMsw = startMsw()
    await expectBothAtWork(relay)
    const before = relay.inbounds.length
    await relay[Symbol.asyncDispose]()
    await expect(get('http://mocked.test/')).resolves.toBe('mocked')
    await expect(get(`http://127.0.0.1:${plain.port}/past`)).resolves.toBe('answer to /past')
    expect(relay.inbounds.length).toBe(before)
    stopMsw()
    await connectOnce()
    expectNothingLeft()
  })

  test('a hook that was placed before msw lies under it, though it is installed later', async () => {
    const unplace = prepareCapture()
    const stopMsw = startMsw()
    const relay = await Relay.start()
    await expectBothAtWork(relay)
    await relay[Symbol.asyncDispose]()
    stopMsw()
    await expect(get(`http://127.0.0.1:${plain.port}/past`)).resolves.toBe('answer to /past')
    unplace()
    expectNothingLeft()
  })

  test('msw on before our modules are loaded', async () => {
    const stopMsw = startMsw()
    vi.resetModules()
    const { Relay: LoadedLater } = await import('./testing/relay.ts')
    const relay = await LoadedLater.start()
    await expectBothAtWork(relay)
    await relay[Symbol.asyncDispose]()
    stopMsw()
    expectNothingLeft()
  })

  test('a request that msw passes on is known to be its test’s', async () => {
    await using relay = await Relay.start()
    using _msw = { [Symbol.dispose]: startMsw() }
    const dispatcher = new Agent({ pipelining: 1, connections: 1 })
    const ask = async (path: string): Promise<void> => {
      await (await request(`http://127.0.0.1:${plain.port}${path}`, { dispatcher })).body.dump()
    }
    await realm().scopes.run(new Scope('one'), () => ask('/one'))
    await realm().scopes.run(new Scope('two'), () => ask('/two'))
    await dispatcher.close()
    expect(relay.exchanges).toEqual(['GET /one by one', 'GET /two by two'])
  })
})
