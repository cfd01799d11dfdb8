import type { Connection, NetworkConditions, NetworkHandle, Outage, Side } from '@midwire/proxy'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { long, runs } from '../../proxy/test/long-run.ts'
import { checkReceived } from './checks.ts'
import { json } from './codec/json.ts'
import type { InterceptionProxy } from './interception-proxy.ts'
import type { HoldHandle } from './rule-handle.ts'
import { TestClient } from './testing/scripted-server.ts'
import { host, startTestBed, url } from './testing/test-bed.ts'

const kinds = ['pass', 'drop', 'twice', 'late', 'patched', 'held'] as const
type Kind = (typeof kinds)[number]

/** `up` and `down`: what rules do to it on its way to the server, and to its echo on its way back. */
interface Note {
  readonly n: number
  readonly up: Kind
  readonly down: Kind
  readonly isPatched?: boolean
}

type Step =
  | { readonly do: 'send'; readonly up: Kind; readonly down: Kind }
  | { readonly do: 'freeze' | 'thaw'; readonly from: Side | undefined }
  | { readonly do: 'add'; readonly conditions: NetworkConditions }
  | { readonly do: 'dispose' | 'release' | 'outage' | 'turn' }

const kind = fc.oneof({ weight: 3, arbitrary: fc.constant('pass' as const) }, { weight: 5, arbitrary: fc.constantFrom(...kinds) })
const side = fc.constantFrom('client' as const, 'server' as const, undefined)
const conditions = fc.oneof(
  fc.record({ latency: fc.nat(4), jitter: fc.nat(4) }),
  fc.record({ bandwidth: fc.integer({ min: 100_000, max: 1_000_000 }) }),
  fc.record({ slice: fc.integer({ min: 20, max: 200 }) }),
  fc.record({ stall: fc.record({ probability: fc.constantFrom(0.3, 1), ms: fc.nat(3) }) }),
)
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: fc.record({ do: fc.constant('send' as const), up: kind, down: kind }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('freeze' as const, 'thaw' as const), from: side }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('add' as const), conditions }) },
    {
      weight: 6,
      arbitrary: fc.record({ do: fc.constantFrom('dispose' as const, 'release' as const, 'outage' as const, 'turn' as const) }),
    },
  ),
  { minLength: 5, maxLength: 50 },
)

/** What comes of notes on a way where rules do to each what it says. */
function after(notes: readonly Note[], way: 'up' | 'down'): Note[] {
  return notes.flatMap(note => {
    if (note[way] === 'drop') return []
    if (note[way] === 'twice') return [note, note]
    return note[way] === 'patched' ? [{ ...note, isPatched: true }] : [note]
  })
}

/** A rule for each kind; returns the one that holds. */
function declare(proxy: InterceptionProxy<Note>): HoldHandle<Note> {
  const isOf = (wanted: Kind) => (note: Note, message: { readonly from: Side }) =>
    note[message.from === 'client' ? 'up' : 'down'] === wanted
  proxy.onMessage(isOf('drop')).optional().drop()
  proxy.onMessage(isOf('twice')).optional().duplicate()
  proxy.onMessage(isOf('late')).optional().delay(2)
  proxy.onMessage(isOf('patched')).optional().patch({ isPatched: true })
  return proxy.onMessage(isOf('held')).optional().hold()
}

interface Stage {
  readonly proxy: InterceptionProxy<Note>
  readonly client: TestClient
  readonly connection: Connection
  readonly holding: HoldHandle<Note>
}

async function play(
  plan: readonly Step[],
  { proxy, client, connection, holding }: Stage,
): Promise<{ sent: Note[]; outage: Outage | undefined }> {
  const sent: Note[] = []
  const handles: NetworkHandle[] = []
  let outage: Outage | undefined
  for (const step of plan) {
    switch (step.do) {
      case 'send':
        sent.push({ n: sent.length, up: step.up, down: step.down })
        client.send(sent.at(-1))
        break
      case 'freeze':
      case 'thaw':
        connection[step.do](step.from ? { from: step.from } : {})
        break
      case 'add':
        handles.push(proxy.network({ ...step.conditions, host }))
        break
      case 'dispose':
        handles.shift()?.dispose()
        break
      case 'release':
        if (holding.held.length > 0) holding.release()
        break
      case 'outage':
        if (outage) {
          outage.goOnline()
          outage = undefined
        } else outage = proxy.goOffline({ end: 'silent' })
        break
      case 'turn':
        await new Promise<void>(resolve => {
          setImmediate(resolve)
        })
    }
  }
  return { sent, outage }
}

test(
  'whatever rules, freezes, silent outages and conditions come together, each message meets its own fate, once and in order',
  { timeout: long ? 600_000 : 60_000 },
  async () => {
    const property = fc.asyncProperty(steps, fc.nat(), async (plan, seed) => {
      await using bed = await startTestBed({ codec: json<Note>(), seed })
      const { errors } = await bed.run('all at once', async () => {
        const { proxy } = bed
        const holding = declare(proxy)
        const client = await TestClient.open(url)
        const connection = await proxy.waitForConnection()
        const { sent, outage } = await play(plan, { proxy, client, connection, holding })
        outage?.goOnline()
        connection.thaw()
        holding.dispose()
        const expected = after(after(sent, 'up'), 'down')
        expect(await client.gets(expected.length)).toEqual(expected)
        await connection.flushed({ to: 'server' })
        await connection.flushed({ to: 'client' })
        expect(client.received).toEqual(expected)
        const messages = [...bed.engine.journal.read()].flatMap(event => (event.kind === 'message' ? [event.message] : []))
        for (const { settled, delivered, verdict } of messages)
          expect({ settled, isGone: delivered === undefined }).toEqual({ settled: true, isGone: verdict?.kind === 'drop' })
        expect(checkReceived(proxy).pass).toBe(expected.length > 0)
      })
      expect(errors).toEqual([])
    })
    await fc.assert(property, { ...runs(25, 500), timeout: 10_000 })
  },
)

test('a test may end in the midst of all that: within bounds, with nothing left open', { timeout: long ? 600_000 : 60_000 }, async () => {
  const property = fc.asyncProperty(steps, fc.nat(), async (plan, seed) => {
    await using bed = await startTestBed({ codec: json<Note>(), seed })
    let client: TestClient | undefined
    const { errors } = await bed.run('all at once', async () => {
      const { proxy } = bed
      const holding = declare(proxy)
      client = await TestClient.open(url)
      await play(plan, { proxy, client, connection: await proxy.waitForConnection(), holding })
    })
    expect(errors).toEqual([])
    await client?.closed
    expect(bed.engine.connections.map(({ state }) => state)).toEqual(['closed'])
    const messages = [...bed.engine.journal.read()].flatMap(event => (event.kind === 'message' ? [event.message] : []))
    expect(messages.filter(({ settled }) => !settled)).toEqual([])
  })
  await fc.assert(property, { ...runs(15, 300), timeout: 10_000 })
})
