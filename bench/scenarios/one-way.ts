import type { Case, Target } from '../case.ts'
import { onOneConnection } from './one-connection.ts'
import { variantsOver, withoutRule, withRule } from '../variants.ts'

interface Load {
  readonly name: string
  readonly size: number
  readonly frames: number
  readonly unit: '/s' | 'MB/s'
  readonly targets: readonly Target[]
}

const loads: readonly Load[] = [
  {
    name: '64 B',
    size: 64,
    frames: 200_000,
    unit: '/s',
    targets: [...withoutRule({ of: 'ratio', atLeast: 0.5 }), ...withRule({ of: 'value', atLeast: 400_000 })],
  },
  { name: '1 MiB', size: 1_048_576, frames: 32, unit: 'MB/s', targets: withoutRule({ of: 'ratio', atLeast: 0.9 }) },
]

/** As many messages as will go through one connection, in one direction. */
export const oneWay: readonly Case[] = (['ws', 'wss'] as const).flatMap(scheme =>
  loads.flatMap(({ name, size, frames, unit, targets }) =>
    (['sink', 'source'] as const).map((path): Case => ({
      title: `one way, ${scheme}, ${name}, ${path === 'sink' ? 'client → server' : 'server → client'}`,
      unit,
      scheme,
      ...variantsOver(scheme),
      variants: [...variantsOver(scheme).variants, 'Midwire, journal full'],
      targets,
      prepare: async lane =>
        onOneConnection(lane, `/${path}?size=${size}&frames=${frames}`, async peer => {
          const started = performance.now()
          await peer[path](size, frames)
          const seconds = (performance.now() - started) / 1000
          return unit === '/s' ? frames / seconds : (frames * size) / 1e6 / seconds
        }),
    })),
  ),
)
