import { createMatch, type MessageRule, pass, type ProxyEngine, startProxy } from '@midwire/proxy'
import { json } from '@midwire/sdk'
import type { Middle, Upstream } from '../middle.ts'
import { Peer } from '../peer.ts'
import { messageRule } from './message-rule.ts'

/** Every message waits for the promise of a handler, which lets it pass. */
export const midwireAsyncHandle: Middle = {
  name: 'Midwire, async handle',
  start: upstream => startWith(upstream, proxy => [messageRule(proxy, { action: { kind: 'handle', fn: async () => pass } })]),
}

/** 50 rules that what a client sends never meets: half for the other direction, half for another connection, which stays open. */
export const midwireForeignRules: Middle = {
  name: 'Midwire, 50 rules for others',
  async start(upstream) {
    let other: Peer | undefined
    const running = await startWith(upstream, async proxy => {
      other = await Peer.open(`${upstream.url}/echo?size=64`, { ca: upstream.authority.cert })
      const connection = proxy.connections[0]
      if (!connection) throw new Error('the connection that the rules are for was not captured')
      return Array.from({ length: 50 }, (_, i) =>
        messageRule(proxy, {
          action: { kind: 'drop' },
          match: createMatch(unmet(i)),
          ...(i % 2 === 0 ? { from: 'server' } : { connection }),
        }),
      )
    })
    return {
      url: running.url,
      async stop() {
        await other?.close()
        await running.stop()
      },
    }
  },
}

export const midwireOneIdleRule: Middle = idle('Midwire, 1 idle JSON rule', 1)

export const midwireIdleRules: Middle = idle('Midwire, 50 idle JSON rules', 50)

/** Rules that are asked about every message and would drop it, but never match. */
function idle(name: string, count: number): Middle {
  return {
    name,
    start: upstream =>
      startWith(upstream, proxy =>
        Array.from({ length: count }, (_, i) => messageRule(proxy, { action: { kind: 'drop' }, match: createMatch(unmet(i)) })),
      ),
  }
}

/** What `payloadOf` is not: every other time it is the first key that tells, else the second. */
function unmet(i: number): object {
  return { type: i % 2 === 0 ? 'ack' : 'echo', channel: `channel-${i}` }
}

async function startWith(
  upstream: Upstream,
  rulesFor: (proxy: ProxyEngine) => readonly MessageRule[] | Promise<readonly MessageRule[]>,
): ReturnType<Middle['start']> {
  const proxy = await startProxy({ codec: json(), adoptUnscoped: true, authority: upstream.authority })
  for (const rule of await rulesFor(proxy)) proxy.rules.add(rule)
  return { url: upstream.url, stop: () => proxy.close() }
}
