import type { Codec } from '@midwire/sdk'
import { nearest } from './nearest.ts'
import { UsageError } from './usage-error.ts'

/** What `--codec` can name; each is loaded only when it is. */
const codecs: Readonly<Record<string, () => Promise<object>>> = {
  binary: async () => (await import('@midwire/sdk')).binary(),
  cbor: async () => (await import('@midwire/sdk/cbor')).cbor(),
  'engine.io': async () => (await import('@midwire/sdk/engine-io')).engineIo(),
  'graphql-ws': async () => (await import('@midwire/sdk/graphql-ws')).graphqlWs(),
  json: async () => (await import('@midwire/sdk')).json(),
  mqtt: async () => (await import('@midwire/sdk/mqtt')).mqtt(),
  msgpack: async () => (await import('@midwire/sdk/msgpack')).msgpack(),
  phoenix: async () => (await import('@midwire/sdk/phoenix')).phoenix(),
  signalr: async () => (await import('@midwire/sdk/signalr')).signalR(),
  'signalr-msgpack': async () => (await import('@midwire/sdk/signalr-msgpack')).signalRMsgpack(),
  'socket.io': async () => (await import('@midwire/sdk/socket-io')).socketIo(),
  stomp: async () => (await import('@midwire/sdk/stomp')).stomp(),
  text: async () => (await import('@midwire/sdk')).text(),
}

export const codecNames: readonly string[] = Object.keys(codecs)

/** @throws UsageError on a name that no codec has */
export async function loadCodec(name: string): Promise<Codec<never>> {
  const load = codecs[name] ?? codecs[name.replace('-io', '.io')]
  if (load) return (await load()) as Codec<never>
  const meant = nearest(name, codecNames)
  throw new UsageError(`--codec ${name}: ${meant === undefined ? '' : `did you mean ${meant}? `}expected one of ${codecNames.join(', ')}`)
}
