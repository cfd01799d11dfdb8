import type { Case, Lane, Prepared } from '../case.ts'
import { Peer, type PeerOptions } from '../peer.ts'
import { overWs, overWss } from '../variants.ts'

const perSample = 10

/** From `connect()` until the 101, one connection after the other. */
export const opening: readonly Case[] = [
  {
    title: 'opening a connection, ws',
    unit: 'ms',
    scheme: 'ws',
    variants: overWs,
    baseline: 'TCP pipe',
    targets: [],
    prepare: lane => measureOpening(lane, () => ({})),
  },
  {
    title: 'opening a connection, wss, known host',
    unit: 'ms',
    scheme: 'wss',
    variants: overWss,
    baseline: 'TLS pipe',
    targets: [{ variant: 'Midwire', of: 'ratio', atMost: 1.2 }],
    prepare: lane => measureOpening(lane, () => ({ ca: lane.upstream.authority.cert })),
  },
  {
    title: 'opening a connection, wss, new host',
    unit: 'ms',
    scheme: 'wss',
    variants: overWss,
    baseline: 'TLS pipe',
    targets: [{ variant: 'Midwire', of: 'difference', atMost: 2 }],
    prepare(lane) {
      let hosts = 0
      return measureOpening(lane, () => ({ host: `host-${++hosts}.bench.test` }))
    },
  },
]

async function measureOpening(lane: Lane, options: () => PeerOptions): Promise<Prepared> {
  const running = await lane.start()
  return {
    async sample() {
      let spent = 0
      for (let i = 0; i < perSample; i++) {
        const started = performance.now()
        const peer = await Peer.open(`${running.url}/echo?size=64`, options())
        spent += performance.now() - started
        await peer.close()
      }
      return spent / perSample
    },
    done: () => running.stop(),
  }
}
