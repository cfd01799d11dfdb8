import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ProxyEngine } from '../../src/engine.ts'
import { startProxy } from '../../src/proxy.ts'
import { createMatch } from '../../src/rule/match.ts'
import type { RequestAction, RequestRule } from '../../src/rule/request-rule.ts'
import { long, runs } from '../long-run.ts'
import { captured, directly } from './connect.ts'
import { httpPlan } from './http-plan.ts'
import { type HttpObservation, playHttp } from './http-run.ts'
import { Stage } from './run.ts'

let stage: Stage
let proxy: ProxyEngine

beforeAll(async () => {
  stage = await Stage.open()
  proxy = await startProxy({ adoptUnscoped: true, journalLimit: 1024 * 1024 })
})
afterAll(async () => {
  await proxy.close()
  await stage[Symbol.asyncDispose]()
})

/** A scope of its own for each way, so that all can be played side by side on one proxy. */
function through(name: string, action?: RequestAction): (port: number) => ReturnType<typeof captured> {
  const scope = proxy.openScope(name)
  if (action) {
    const rule: RequestRule = {
      on: 'request',
      scope,
      at: { file: import.meta.url, line: 1, column: 1 },
      start: 'onRequest',
      optional: true,
      needsBody: false,
      match: createMatch(),
      action,
    }
    proxy.rules.add(rule)
  }
  return port => proxy.run(scope, () => captured(port))
}

/** An observation in a form whose difference can be read. */
function legible({ client, server }: HttpObservation): object {
  const end = ({ messages, ends }: HttpObservation['client']): object => ({
    messages: messages.map(({ body, ...rest }) => ({ ...rest, body: body.toString('latin1') })),
    ends,
  })
  return { client: end(client), server: end(server) }
}

test(
  'both ends of any HTTP/1.1 exchanges see what a direct connection would show them',
  async () => {
    const ways = [
      { name: 'with no rule', connect: through('no rule') },
      { name: 'with a rule that observes', connect: through('observing rule', { kind: 'observe', fn: () => {} }) },
      {
        name: 'with a rule that delays requests by nothing',
        connect: through('delayed requests', { kind: 'delay', at: 'request', ms: 0 }),
      },
      { name: 'with one for responses', connect: through('delayed responses', { kind: 'delay', at: 'response', ms: 0 }) },
    ]
    const property = fc.asyncProperty(httpPlan, async plan => {
      const expected = await playHttp(plan, stage, directly)
      for (const { name, connect } of ways) {
        let seen: HttpObservation
        try {
          seen = await playHttp(plan, stage, connect)
        } catch (error) {
          throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
        }
        expect({ name, ...legible(seen) }).toEqual({ name, ...legible(expected) })
      }
    })
    await fc.assert(property, { ...runs(80, 10_000), interruptAfterTimeLimit: long ? 3_600_000 : 60_000, markInterruptAsFailure: true })
  },
  long ? 3_700_000 : 70_000,
)
