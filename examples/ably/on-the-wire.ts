import type { InterceptionProxy } from '@midwire/sdk'
import { useInterceptionProxy } from '@midwire/vitest-plugin'
import { type ClientOptions, Realtime, type RealtimeChannel, Rest } from 'ably'
import { afterAll, onTestFinished } from 'vitest'
import { ably } from './codec.ts'
import { key } from './fake/access.ts'
import type { HubOptions } from './fake/hub.ts'
import { type FakeAbly, startFakeAbly } from './fake/server.ts'
import type { ProtocolMessage } from './protocol-message.ts'

/** The host that clients try first; nothing tells them to. */
export const primary = 'main.realtime.ably.net'
/** What they try then. */
export const fallback = /^main\.[a-e]\.fallback\.ably-realtime\.com$/
const hosts = [
  primary,
  ...['a', 'b', 'c', 'd', 'e'].map(letter => `main.${letter}.fallback.ably-realtime.com`),
  // Where they ask whether the internet is up, and WebSockets get through.
  'internet-up.ably-realtime.com',
  'ws-up.ably-realtime.com',
]

/** Both ways in which protocol messages are written; every test runs in both, with the same matches. */
export const formats: [name: string, options: ClientOptions][] = [
  ['JSON', { useBinaryProtocol: false }],
  ['msgpack', { useBinaryProtocol: true }],
]

/** And a third, for what does not depend on WebSockets: long polling, where these do not get through. */
export const ways: typeof formats = [...formats, ['JSON over comet', { transports: ['comet'] }]]

/** Options of the client that its types do not name, in ms. */
export interface Timeouts {
  realtimeRequestTimeout?: number
  channelRetryTimeout?: number
  connectionStateTtl?: number
  webSocketSlowTimeout?: number
  webSocketConnectTimeout?: number
  fallbackRetryTimeout?: number
}

export type Options = ClientOptions & Timeouts

/** Leads every host of Ably's to a fake on loopback, for the file that calls it. What is not routed is refused. */
export async function ablyOnTheWire(options?: HubOptions): Promise<{ proxy: InterceptionProxy<ProtocolMessage>; server: FakeAbly }> {
  const server = await startFakeAbly(options)
  afterAll(() => server[Symbol.asyncDispose]())
  const proxy = useInterceptionProxy({
    codec: ably(),
    route: Object.fromEntries(hosts.map(host => [host, server.url])),
    upstream: 'none',
  })
  return { proxy, server }
}

const common = { logLevel: 0, disableConnectivityCheck: true }

/** A realtime client with its own default hosts and TLS; closed when the test has finished. */
export function realtime(options: Options = {}): Realtime {
  const client = new Realtime(withDefaults(options))
  onTestFinished(() => client.close())
  return client
}

/** A REST client with its own default hosts and TLS. */
export function rest(options: Options = {}): Rest {
  return new Rest(withDefaults(options))
}

let count = 0

/** A channel that no other test has. */
export function channelOf(client: Realtime, ...[options]: [options?: Parameters<Realtime['channels']['get']>[1]]): RealtimeChannel {
  return client.channels.get(`channel-${++count}`, options)
}

function withDefaults(options: Options): Options {
  const hasToken = 'authCallback' in options || 'token' in options || 'tokenDetails' in options
  return { ...common, ...(!hasToken && { key }), ...options }
}
