import type { Case } from '../case.ts'
import { onOneConnection } from './one-connection.ts'
import { variantsOver, withoutRule, withRule } from '../variants.ts'

/** Below the journal's limit of 64 MiB altogether. */
const sizes = [
  { size: 64, name: '64 B', warmUp: 4000, times: 1000 },
  { size: 4096, name: '4 KiB', warmUp: 4000, times: 800 },
  { size: 65_536, name: '64 KiB', warmUp: 250, times: 150 },
  { size: 1_048_576, name: '1 MiB', warmUp: 10, times: 15 },
]

/** A message there and its echo back, one at a time on one connection. */
export const roundTrips: readonly Case[] = (['ws', 'wss'] as const).flatMap(scheme =>
  sizes.map(({ size, name, warmUp, times }): Case => ({
    title: `echo round trip, ${scheme}, ${name}`,
    unit: 'µs',
    scheme,
    ...variantsOver(scheme),
    targets: [...withoutRule({ of: 'ratio', atMost: 1.15 }), ...withRule({ of: 'ratio', atMost: 1.3 })],
    prepare: async lane =>
      onOneConnection(lane, `/echo?size=${size}`, async peer => {
        await peer.echo(size, warmUp)
        const started = performance.now()
        await peer.echo(size, times)
        return ((performance.now() - started) * 1000) / times
      }),
  })),
)
