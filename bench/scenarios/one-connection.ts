import type { Lane, Prepared } from '../case.ts'
import { Peer } from '../peer.ts'

/**
 * Measures on a connection and a middle man of each sample's own, as each test file has: no journal grows from sample to sample.
 */
export function onOneConnection(lane: Lane, path: string, measure: (peer: Peer) => Promise<number>): Prepared {
  return {
    async sample() {
      const running = await lane.start()
      const peer = await Peer.open(running.url + path, { ca: lane.upstream.authority.cert })
      try {
        return await measure(peer)
      } finally {
        await peer.close()
        await running.stop()
      }
    },
    done: async () => {},
  }
}
