import type { Case } from '../case.ts'

/** From nothing to ready and back to nothing; the certificate authority exists before. */
export const startStop: readonly Case[] = [
  {
    title: 'start and stop',
    unit: 'ms',
    scheme: 'wss',
    variants: ['TCP pipe', 'TLS pipe', 'Midwire'],
    baseline: 'TCP pipe',
    targets: [{ variant: 'Midwire', of: 'value', atMost: 10 }],
    prepare: async lane => ({
      async sample() {
        const started = performance.now()
        const running = await lane.start()
        await running.stop()
        return performance.now() - started
      },
      done: async () => {},
    }),
  },
]
