import type { Case, Prepared, Target } from '../case.ts'
import { HttpPeer } from '../http-peer.ts'

const mebibytes = 10
const size = mebibytes * 1_048_576
const forwarder = 'node:http + undici'

interface Measure {
  readonly name: string
  readonly unit: 'µs' | 'MB/s'
  readonly targets: readonly Target[]
  readonly of: (peer: HttpPeer) => Promise<number>
}

const measures: readonly Measure[] = [
  {
    name: 'requests in turn, keep-alive, 64 B of JSON',
    unit: 'µs',
    targets: onBothWays({ of: 'ratio', atMost: 1.3 }),
    async of(peer) {
      const times = 1500
      await peer.requests(times)
      return (await timed(() => peer.requests(times))) / times
    },
  },
  {
    name: `${mebibytes} MiB download`,
    unit: 'MB/s',
    targets: onBothWays({ of: 'ratio', atLeast: 0.8 }),
    of: peer => rate(() => peer.download(size)),
  },
  {
    name: `${mebibytes} MiB upload`,
    unit: 'MB/s',
    targets: onBothWays({ of: 'ratio', atLeast: 0.8 }),
    of: peer => rate(() => peer.upload(size)),
  },
  {
    name: 'time to the first byte',
    unit: 'µs',
    targets: [],
    async of(peer) {
      const times = 300
      let sum = 0
      for (let n = 0; n < 2 * times; n++) {
        const ms = await peer.firstByte()
        // The first half warms up.
        if (n >= times) sum += ms
      }
      return (sum * 1000) / times
    },
  },
]

/** HTTP/1.1 on one connection, beside a forwarder of a few lines. */
export const http: readonly Case[] = (['ws', 'wss'] as const).flatMap(scheme =>
  measures.map(({ name, unit, targets, of }): Case => ({
    title: `${scheme === 'ws' ? 'http' : 'https'}, ${name}`,
    unit,
    scheme,
    variants: ['direct', scheme === 'ws' ? 'TCP pipe' : 'TLS pipe', forwarder, 'Midwire urlFor', 'Midwire', 'Midwire, request rule'],
    baseline: forwarder,
    targets,
    async prepare(lane): Promise<Prepared> {
      return {
        async sample() {
          const running = await lane.start()
          const peer = await HttpPeer.open(running.url, { ca: lane.upstream.authority.cert })
          try {
            return await of(peer)
          } finally {
            await peer.close()
            await running.stop()
          }
        },
        done: async () => {},
      }
    },
  })),
)

function onBothWays(target: Omit<Target, 'variant'>): readonly Target[] {
  return ['Midwire urlFor', 'Midwire'].map(variant => ({ variant, ...target }))
}

/** µs that `fn` takes. */
async function timed(fn: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await fn()
  return (performance.now() - started) * 1000
}

/** MB/s of five bodies after two for warm-up. */
async function rate(fn: () => Promise<void>): Promise<number> {
  for (let n = 0; n < 2; n++) await fn()
  const times = 5
  const took = await timed(async () => {
    for (let n = 0; n < times; n++) await fn()
  })
  return (size * times) / took
}
