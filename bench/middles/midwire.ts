import tls from 'node:tls'
import { createMatch, type MessageRule, type ProxyEngine, type RequestRule, startProxy } from '@midwire/proxy'
import { json } from '@midwire/sdk'
import type { Middle, Running, Upstream } from '../middle.ts'
import { messageRule } from './message-rule.ts'

/** Captures the connections of this process, so that the client connects to the server's own URL. */
export const midwire: Middle = {
  name: 'Midwire',
  async start(upstream) {
    const proxy = await startProxy({ codec: json(), adoptUnscoped: true, authority: upstream.authority })
    return { url: upstream.url, stop: () => proxy.close() }
  },
}

/** The same, with a journal that lets old payloads go all the time. */
export const midwireFull: Middle = {
  name: 'Midwire, journal full',
  async start(upstream) {
    const proxy = await startProxy({ codec: json(), adoptUnscoped: true, authority: upstream.authority, journalLimit: 1024 * 1024 })
    return { url: upstream.url, stop: () => proxy.close() }
  },
}

/** The same, with a rule that decodes every message of either side, finds that it matches, and looks at it. */
export const midwireWithRule: Middle = {
  name: 'Midwire, JSON rule',
  async start(upstream) {
    const proxy = await startProxy({ codec: json(), adoptUnscoped: true, authority: upstream.authority })
    proxy.rules.add(observingRule(proxy))
    return { url: upstream.url, stop: () => proxy.close() }
  },
}

/** The same, with a rule that looks at every HTTP request. */
export const midwireWithRequestRule: Middle = {
  name: 'Midwire, request rule',
  async start(upstream) {
    const proxy = await startProxy({ codec: json(), adoptUnscoped: true, authority: upstream.authority })
    proxy.rules.add<RequestRule>({
      on: 'request',
      start: 'onRequest',
      scope: proxy.root,
      at: { file: import.meta.filename, line: 1, column: 1 },
      optional: true,
      match: createMatch({ headers: { 'user-agent': 'bench' } }),
      needsBody: false,
      action: { kind: 'observe', fn: () => {} },
    })
    return { url: upstream.url, stop: () => proxy.close() }
  },
}

/** A loopback URL that leads to the server. */
export const midwireUrl: Middle = {
  name: 'Midwire urlFor',
  start: async upstream => (await startAtUrl(upstream)).running,
}

/** The same, with the rule of `midwireWithRule`. */
export const midwireUrlWithRule: Middle = {
  name: 'Midwire urlFor, JSON rule',
  async start(upstream) {
    const { proxy, running } = await startAtUrl(upstream)
    proxy.rules.add(observingRule(proxy))
    return running
  },
}

async function startAtUrl(upstream: Upstream): Promise<{ proxy: ProxyEngine; running: Running }> {
  // A client that is not captured cannot tell the proxy whom to trust upstream.
  tls.setDefaultCACertificates([upstream.authority.cert])
  const proxy = await startProxy({ codec: json(), capture: false, authority: upstream.authority })
  return { proxy, running: { url: new URL(proxy.urlFor(upstream.url)).origin, stop: () => proxy.close() } }
}

function observingRule(proxy: ProxyEngine): MessageRule {
  return messageRule(proxy, { match: createMatch({ type: 'echo' }), action: { kind: 'observe', fn: () => {} } })
}
