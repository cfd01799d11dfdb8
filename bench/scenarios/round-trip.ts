import type { Case } from '../case.ts'
import { onOneConnection } from './one-connection.ts'
import { variantsOver, withoutRule, withRule } from '../variants.ts'

const sizes = [
  { size: 64, name: '64 B', times: 1000 },
  { size: 4096, name: '4 KiB', times: 800 },
  { size: 65_536, name: '64 KiB', times: 150 },
  { size: 1_048_576, name: '1 MiB', times: 15 },
]

/** A message there and its echo back, one at a time on one connection. */
export const roundTrips: readonly Case[] = (['ws', 'wss'] as const).flatMap(scheme =>
  sizes.map(({ size, name, times }): Case => ({
    title: `echo round trip, ${scheme}, ${name}`,
    unit: 'µs',
    scheme,
    ...variantsOver(scheme),
    targets: [...withoutRule({ of: 'ratio', atMost: 1.15 }), ...withRule({ of: 'ratio', atMost: 1.3 })],
    prepare: async lane =>
      onOneConnection(lane, `/echo?size=${size}`, async peer => {
        await peer.echo(size, 5)
        const started = performance.now()
        await peer.echo(size, times)
        return ((performance.now() - started) * 1000) / times
      }),
  })),
)
