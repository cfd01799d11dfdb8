import type { Case } from '../case.ts'
import { openPeers, type Peer } from '../peer.ts'
import { overWs } from '../variants.ts'
import { settledMemory } from './settled-memory.ts'

const count = 1000
const common = { scheme: 'ws', variants: overWs, baseline: 'TCP pipe', targets: [] } as const

const openAll = (url: string): Promise<Peer[]> => openPeers(`${url}/echo?size=64`, count)

/** 1,000 connections open at the same time. */
export const thousand: readonly Case[] = [
  {
    ...common,
    title: '1,000 connections: open all, 50 at a time',
    unit: 'ms',
    rounds: 3,
    async prepare(lane) {
      const running = await lane.start()
      return {
        async sample() {
          const started = performance.now()
          const peers = await openAll(running.url)
          const spent = performance.now() - started
          await Promise.all(peers.map(peer => peer.close()))
          return spent
        },
        done: () => running.stop(),
      }
    },
  },
  {
    ...common,
    title: '1,000 connections: an echo on each, all at once',
    unit: 'ms',
    async prepare(lane) {
      const running = await lane.start()
      const peers = await openAll(running.url)
      return {
        async sample() {
          const started = performance.now()
          await Promise.all(peers.map(peer => peer.echo(64, 1)))
          return performance.now() - started
        },
        async done() {
          await Promise.all(peers.map(peer => peer.close()))
          await running.stop()
        },
      }
    },
  },
  {
    ...common,
    title: '1,000 connections: memory for one, client included',
    unit: 'KiB',
    fresh: true,
    async prepare(lane) {
      const running = await lane.start()
      return {
        async sample() {
          const before = await settledMemory()
          const peers = await openAll(running.url)
          const grown = (await settledMemory()) - before
          await Promise.all(peers.map(peer => peer.close()))
          return grown / 1024 / count
        },
        done: () => running.stop(),
      }
    },
  },
]
