import type { Socket } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { ProxyEngine } from '../../src/engine.ts'
import type { Message } from '../../src/message.ts'
import { startProxy } from '../../src/proxy.ts'
import { createMatch } from '../../src/rule/match.ts'
import type { MessageAction, MessageRule } from '../../src/rule/rule.ts'
import type { Scope } from '../../src/scope.ts'
import { parseExtensions } from '../../src/ws/extension-header.ts'
import { long, runs } from '../long-run.ts'
import { turnsUntil } from '../turns.ts'
import { captured, directly } from './connect.ts'
import { sequences } from './frames.ts'
import { agreesOnDeflate, type Plan, plan } from './plan.ts'
import { type Observation, play, Stage } from './run.ts'

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
function through(name: string, action?: MessageAction, matches = true): (port: number) => Promise<Socket> {
  const scope: Scope = proxy.openScope(name)
  if (action) {
    const rule: MessageRule = {
      on: 'message',
      from: undefined,
      scope,
      at: { file: import.meta.url, line: 1, column: 1 },
      start: 'onMessage',
      optional: true,
      match: createMatch<unknown, Message>(() => matches),
      action,
      then: [],
    }
    proxy.rules.add(rule)
  }
  return port => proxy.run(scope, () => captured(port))
}

/** What a rewritten offer or answer of extensions says without what Midwire adds to it, and without what it cannot relay. */
function agreed(lines: readonly string[]): string[] {
  return lines.flatMap(line => {
    const value = /^sec-websocket-extensions: (.*)$/i.exec(line)?.[1]
    if (value === undefined) return [line]
    const kept = parseExtensions(value).filter(({ name }) => name === 'permessage-deflate')
    return kept.map(({ name, parameters }) => JSON.stringify([name, parameters.filter(([key]) => !key.endsWith('_no_context_takeover'))]))
  })
}

/** An observation in a form whose difference can be read. */
function legible({ requests, answers, saw }: Observation): object {
  const stream = ({ bytes, marks }: Observation['saw']['client']): unknown => ({ bytes: bytes.toString('hex'), marks })
  return {
    requests: requests.map(agreed),
    answers: answers.map(({ head, body }) => ({ head: agreed(head), body })),
    client: stream(saw.client),
    server: stream(saw.server),
  }
}

/** The same, but that pings and pongs may have overtaken messages. */
function withoutOvertaking(seen: Observation, deflate: boolean): object {
  const apart = (from: 'client' | 'server', { bytes, marks }: Observation['saw']['client']): unknown => {
    const { data, control, rest } = sequences(bytes, from, deflate)
    return { data: data.toString('hex'), control: control.toString('hex'), rest: rest.toString('hex'), marks }
  }
  const { client, server } = seen.saw
  return { ...legible(seen), client: apart('server', client), server: apart('client', server) }
}

/** A message that a rule may want is complete before it goes on; a ping inside of it does not wait. */
function hasControlInside({ early, steps, first, after }: Plan): boolean {
  const bursts = [...steps.flatMap(({ client, server }) => [client, server]), ...after]
  const items = [...early.client, ...early.server, ...bursts.flatMap(({ items }) => items), ...(first.cutOff ? [first.cutOff.item] : [])]
  return items.some(item => item.kind === 'message' && item.frames > 1 && item.between !== 'nothing')
}

test(
  'both ends of any session see what a direct connection would show them',
  async () => {
    const ways = [
      { name: 'with no rule', connect: through('no rule'), overtakes: () => false },
      { name: 'with a rule that matches nothing', connect: through('idle rule', { kind: 'drop' }, false), overtakes: hasControlInside },
      {
        name: 'with a rule that passes everything, asynchronously',
        connect: through('handle', { kind: 'handle', fn: () => new Promise(resolve => setImmediate(resolve, undefined)) }),
        overtakes: () => true,
      },
    ]
    const property = fc.asyncProperty(plan, async (plan: Plan) => {
      const expected = await play(plan, stage, directly)
      for (const { name, connect, overtakes } of ways) {
        let seen: Observation
        try {
          seen = await play(plan, stage, connect)
        } catch (error) {
          throw new Error(`${name}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
        }
        const view = overtakes(plan) ? (seen: Observation) => withoutOvertaking(seen, agreesOnDeflate(plan)) : legible
        expect({ name, ...view(seen) }).toEqual({ name, ...view(expected) })
        await turnsUntil('the end of the connection', () => (proxy.connections.at(-1)?.state ?? 'closed') === 'closed')
      }
    })
    await fc.assert(property, { ...runs(80, 10_000), interruptAfterTimeLimit: long ? 3_600_000 : 60_000, markInterruptAsFailure: true })
  },
  long ? 3_700_000 : 70_000,
)
