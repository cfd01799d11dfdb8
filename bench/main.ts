import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { Authority } from '@midwire/proxy/authority'
import type { Case } from './case.ts'
import type { Upstream } from './middle.ts'
import { Child, type LaneRequest, startServerProcess } from './processes.ts'
import { cases } from './scenarios/all.ts'
import { type Summary, summaryOf } from './statistics.ts'
import { tableOf } from './table.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    variants: { type: 'string' },
    rounds: { type: 'string' },
  },
})
const rounds = Number(options.rounds ?? (options.quick ? 5 : 15))
const warmUp = options.quick ? 1 : 3

/** Variant → its process, which keeps its compiled code from case to case. */
const lanes = new Map<string, Child>()

async function ask(variant: string, request: LaneRequest): Promise<number> {
  const lane = lanes.get(variant) ?? new Child('lane-process.ts')
  lanes.set(variant, lane)
  return (await lane.ask<{ value: number }>(request)).value
}

/** Samples every variant once a round, so that what slows the machine down for a while slows all of them. */
async function measure(of: Case, to: (scheme: Case['scheme']) => Upstream): Promise<Map<string, Summary | Error>> {
  const samples = new Map<string, number[]>()
  const failures = new Map<string, Error>()
  const attempt = async (variant: string, request: LaneRequest): Promise<number | undefined> => {
    if (failures.has(variant)) return undefined
    try {
      return await ask(variant, request)
    } catch (error) {
      failures.set(variant, error as Error)
      await lanes.get(variant)?.end()
      lanes.delete(variant)
      return undefined
    }
  }
  const variants = of.variants.filter(variant => !options.variants || variant === of.baseline || variant.includes(options.variants))
  if (of.fresh) await endLanes()
  const upstream = to(of.scheme)
  for (const variant of variants) await attempt(variant, { do: 'prepare', title: of.title, variant, upstream })
  for (let round = of.fresh ? 0 : -warmUp; round < (of.fresh ? 1 : (of.rounds ?? rounds)); round++) {
    for (const variant of variants) {
      const value = await attempt(variant, { do: 'sample' })
      if (value !== undefined && round >= 0) samples.set(variant, [...(samples.get(variant) ?? []), value])
    }
  }
  for (const variant of variants) await attempt(variant, { do: 'done' })
  return new Map(variants.map(variant => [variant, failures.get(variant) ?? summaryOf(samples.get(variant)!)]))
}

async function endLanes(): Promise<void> {
  await Promise.all([...lanes.values()].map(lane => lane.end()))
  lanes.clear()
}

const signer = Authority.create()
const certificate = signer.leaf('localhost')
const authority = { cert: signer.certificate, key: signer.key }
const server = await startServerProcess(certificate)
const upstreamOf = (scheme: Case['scheme']): Upstream => ({ url: `${scheme}://localhost:${server.ports[scheme]}`, certificate, authority })
console.log(`Node ${process.version} on ${cpus().length} × ${cpus()[0]!.model}`)
console.log('Client and middle man share one process and thread, each variant in a process of its own; the server is in another.')
console.log('Client and server are raw sockets: they write frames built in advance and count bytes. Journal on; wss: TLS on both legs.')
console.log(`One sample of each variant in turn, ${rounds} rounds after ${warmUp} for warm-up, the heap collected before each.\n`)
for (const of of cases.filter(of => of.title.includes(options.only))) {
  console.log(`${tableOf(of, await measure(of, upstreamOf))}\n`)
}
await endLanes()
await server.child.end()
