import { once } from 'node:events'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { echoServer } from '../../test/echo-server.ts'
import type { NetworkConditions, NetworkHandle } from '../fault/network-conditions.ts'
import { startProxy } from '../proxy.ts'

type Step =
  | { readonly do: 'send'; readonly length: number }
  | { readonly do: 'fetch'; readonly length: number }
  | { readonly do: 'add'; readonly conditions: NetworkConditions }
  | { readonly do: 'change'; readonly which: number; readonly conditions: Parameters<NetworkHandle['change']>[0] }
  | { readonly do: 'dispose'; readonly which: number }
  | { readonly do: 'turn' }

const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined, freq: 2 })
const named = (record: object): NetworkConditions => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined))

const link = {
  latency: some(fc.nat(4)),
  jitter: some(fc.nat(4)),
  bandwidth: some(fc.integer({ min: 1_000_000, max: 50_000_000 })),
  slice: some(fc.record({ size: fc.integer({ min: 2000, max: 9000 }), variation: fc.nat(1000), delay: fc.nat(1) })),
  stall: some(fc.record({ probability: fc.constantFrom(0.2, 1), ms: fc.nat(3) })),
  slowClose: some(fc.nat(5)),
}

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), length: fc.nat(20_000) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('fetch' as const), length: fc.nat(20_000) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('add' as const),
        conditions: fc
          .record({ ...link, from: some(fc.constantFrom('client', 'server')), layer: some(fc.constantFrom('tcp', 'application')) })
          .map(named),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('change' as const), which: fc.nat(), conditions: fc.record(link) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('dispose' as const), which: fc.nat() }) },
    { weight: 4, arbitrary: fc.constant({ do: 'turn' as const }) },
  ),
  { minLength: 10, maxLength: 60 },
)

test(
  'over real sockets and TLS, everything arrives whole and in order, whatever conditions come, change and go (T93)',
  { timeout: 60_000 },
  async () => {
    await using server = await echoServer()
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(), async (plan, seed) => {
        await using proxy = await startProxy({ adoptUnscoped: true, seed, route: { 'echo.test': `http://127.0.0.1:${server.port}` } })
        const handles: NetworkHandle[] = []
        // Half of the plan is there before the handshake: conditions meet that, too.
        for (const step of plan.slice(0, plan.length / 4))
          if (step.do === 'add') handles.push(proxy.changeNetwork(proxy.root, step.conditions))
        const socket = new WebSocket('wss://echo.test/')
        await once(socket, 'open')
        const [sent, got, bodies]: [string[], string[], Promise<void>[]] = [[], [], []]
        socket.on('message', data => got.push(String(data)))
        for (const [n, step] of plan.entries()) {
          switch (step.do) {
            case 'send':
              sent.push(`${n} `.padEnd(step.length, '.'))
              socket.send(sent.at(-1) ?? '')
              break
            case 'fetch':
              bodies.push(echo(`${n} `.padEnd(step.length, '.')))
              break
            case 'add':
              handles.push(proxy.changeNetwork(proxy.root, step.conditions))
              break
            case 'change':
              handles[step.which % handles.length]?.change(step.conditions)
              break
            case 'dispose':
              handles.splice(step.which % Math.max(1, handles.length), 1)[0]?.dispose()
              break
            case 'turn':
              await new Promise(resolve => setImmediate(resolve))
          }
        }
        socket.close(4000, 'done')
        const [code] = (await once(socket, 'close')) as [number]
        // The echo of what was sent before the close frame comes before the answer to it.
        expect(got).toEqual(sent)
        expect(code).toBe(4000)
        await Promise.all(bodies)
      }),
      { numRuns: 12 },
    )
  },
)

async function echo(body: string): Promise<void> {
  const response = await fetch('https://echo.test/', { method: 'POST', body })
  expect(await response.json()).toMatchObject({ body })
}
