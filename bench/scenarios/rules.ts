import type { Case } from '../case.ts'
import { onOneConnection } from './one-connection.ts'

const size = 64
const frames = 100_000

/** What rules take from the rate of small messages, each beside the same without them. */
export const rules: readonly Case[] = [
  oneWayWith({
    title: 'rules: an asynchronous handle for every message',
    variants: ['TCP pipe', 'Midwire', 'Midwire, JSON rule', 'Midwire, async handle'],
    baseline: 'Midwire',
    targets: [],
  }),
  oneWayWith({
    title: 'rules: 50 that never apply to this traffic',
    variants: ['Midwire', 'Midwire, 50 rules for others'],
    baseline: 'Midwire',
    targets: [{ variant: 'Midwire, 50 rules for others', of: 'ratio', atLeast: 0.9 }],
  }),
  oneWayWith({
    title: 'rules: 50 that are asked and never match',
    variants: ['Midwire', 'Midwire, 1 idle JSON rule', 'Midwire, 50 idle JSON rules'],
    baseline: 'Midwire, 1 idle JSON rule',
    targets: [{ variant: 'Midwire, 50 idle JSON rules', of: 'ratio', atLeast: 0.9 }],
  }),
]

function oneWayWith(of: Pick<Case, 'title' | 'variants' | 'baseline' | 'targets'>): Case {
  return {
    ...of,
    title: `${of.title}, one way, ws, 64 B, client → server`,
    unit: '/s',
    scheme: 'ws',
    prepare: async lane =>
      onOneConnection(lane, `/sink?size=${size}&frames=${frames}`, async peer => {
        const started = performance.now()
        await peer.sink(size, frames)
        return (frames * 1000) / (performance.now() - started)
      }),
  }
}
