import type { Case, Lane, Prepared } from '../case.ts'
import { Child, type ClientRequest } from '../processes.ts'
import { settledMemory } from './settled-memory.ts'

const connections = 1000
/** Enough for code to be compiled and for pools to have grown. */
const before = 200
const frames = 100_000
const size = 64

/** How much larger the process of the middle man gets; the clients are in another. */
export const memory: readonly Case[] = [
  ...(['ws', 'wss'] as const).map((scheme): Case => ({
    title: `memory: an idle connection, ${scheme} to the server, client elsewhere`,
    unit: 'KiB',
    scheme,
    variants: [scheme === 'ws' ? 'TCP pipe' : 'TLS pipe', 'two ws ends', 'Midwire urlFor'],
    baseline: scheme === 'ws' ? 'TCP pipe' : 'TLS pipe',
    targets: scheme === 'ws' ? [{ variant: 'Midwire urlFor', of: 'value', atMost: 64 }] : [],
    fresh: true,
    prepare: lane =>
      withClientElsewhere(lane, async (client, url) => {
        const open = (count: number): ClientRequest => ({ do: 'open', url: `${url}/echo?size=64`, count })
        await client.ask(open(before))
        return (await growth(() => client.ask(open(connections)))) / 1024 / connections
      }),
  })),
  {
    title: 'memory: 100,000 messages of 64 B, client elsewhere',
    unit: 'MiB',
    scheme: 'ws',
    variants: ['TCP pipe', 'two ws ends', 'Midwire urlFor', 'Midwire urlFor, JSON rule'],
    baseline: 'Midwire urlFor',
    targets: [],
    fresh: true,
    prepare: lane =>
      withClientElsewhere(lane, async (client, url) => {
        await client.ask({ do: 'open', url: `${url}/sink?size=${size}&frames=${frames}`, count: 1 } satisfies ClientRequest)
        // Twice as many stay below the journal's limit.
        const sink = (): Promise<unknown> => client.ask({ do: 'sink', size, frames } satisfies ClientRequest)
        await sink()
        return (await growth(sink)) / 1024 / 1024
      }),
  },
]

async function growth(of: () => Promise<unknown>): Promise<number> {
  const from = await settledMemory()
  await of()
  return (await settledMemory()) - from
}

async function withClientElsewhere(lane: Lane, measure: (client: Child, url: string) => Promise<number>): Promise<Prepared> {
  const running = await lane.start()
  const client = new Child('client-process.ts')
  return {
    sample: () => measure(client, running.url),
    async done() {
      await client.ask({ do: 'close' } satisfies ClientRequest)
      await client.end()
      await running.stop()
    },
  }
}
