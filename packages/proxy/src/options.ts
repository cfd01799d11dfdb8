import { listenFault } from './capture/loopback-port.ts'
import { bypassFault, Interception } from './capture/interception.ts'
import { parseUpstreamProxy, type UpstreamProxy } from './capture/upstream-proxy.ts'
import type { ProxyOptions } from './engine.ts'
import { MidwireError } from './errors.ts'
import type { Codec } from './codec.ts'
import { resolveStream } from './stream/declaration.ts'
import type { ResolvedStream, StreamDeclaration } from './stream/declaration.ts'

/** Every option of `startProxy`, with its default. */
export interface ResolvedOptions {
  readonly codec: Codec<unknown>
  readonly streams: readonly ResolvedStream[]
  readonly route: Readonly<Record<string, string>>
  readonly interception: Interception
  readonly upstreamProxy: UpstreamProxy | undefined
  readonly upstream: string
  readonly journalLimit: number
  readonly holdLimit: number
  readonly seed: number
  readonly clock: 'real' | 'test'
  readonly listen: Required<NonNullable<ProxyOptions['listen']>>
}

const known = new Set<string>([
  'codec',
  'streams',
  'route',
  'intercept',
  'bypass',
  'upstreamProxy',
  'upstream',
  'journalLimit',
  'holdLimit',
  'decisionTimeout',
  'seed',
  'clock',
  'authority',
  'listen',
  'capture',
  'adoptUnscoped',
  'onFailure',
  'onLeak',
] satisfies (keyof ProxyOptions)[])

const mebibyte = 1024 * 1024

/** Every payload is its own bytes. */
const bytesCodec: Codec<Uint8Array> = {
  name: 'binary',
  stateless: true,
  decode: bytes => ({ messages: [{ value: bytes, bytes }], rest: new Uint8Array(0) }),
  encode: value => value,
}

/** @throws MidwireError MIDWIRE_BAD_INPUT on an unknown option, or a value that cannot be meant */
export function resolveOptions(options: ProxyOptions): ResolvedOptions {
  for (const key of Object.keys(options)) {
    if (!known.has(key))
      throw new MidwireError('MIDWIRE_BAD_INPUT', `unknown option ${JSON.stringify(key)} — expected one of ${[...known].join(', ')}`)
  }
  const {
    codec = bytesCodec,
    streams = [],
    route = {},
    intercept = {},
    bypass = [],
    upstreamProxy,
    upstream = 'real',
    journalLimit = 64 * mebibyte,
    holdLimit = 16 * mebibyte,
    clock = 'real',
    listen: { host = '127.0.0.1', port = 0 } = {},
  } = options
  const { seed = Math.trunc(Date.now() % 2 ** 31) } = options
  atLeast('journalLimit', journalLimit, 0)
  atLeast('holdLimit', holdLimit, 1)
  if (!Number.isSafeInteger(seed)) throw new MidwireError('MIDWIRE_BAD_INPUT', `seed: ${String(seed)} — expected an integer`)
  if (clock !== 'real' && clock !== 'test')
    throw new MidwireError('MIDWIRE_BAD_INPUT', `clock: ${JSON.stringify(clock)} — expected 'real' or 'test'`)
  const misbound = options.listen && listenFault(options.listen)
  if (misbound !== undefined) throw new MidwireError('MIDWIRE_BAD_INPUT', `listen: ${misbound}`)
  for (const [host, value] of Object.entries(intercept === 'none' ? {} : intercept)) {
    if (typeof value !== 'boolean')
      throw new MidwireError('MIDWIRE_BAD_INPUT', `intercept[${JSON.stringify(host)}]: ${String(value)} — expected true or false`)
  }
  const fault = bypassFault(bypass)
  if (fault !== undefined) throw new MidwireError('MIDWIRE_BAD_INPUT', `bypass: ${fault}`)
  const declared = [
    ...streams.map((stream, n) => resolveStream(stream as StreamDeclaration, codec, `streams[${n}]`)),
    ...(codec.streams ?? []).map((stream, n) => resolveStream(stream, codec, `streams[${n}] of codec ${codec.name}`)),
  ]
  return {
    codec,
    streams: declared,
    route,
    interception: new Interception(intercept, bypass),
    upstreamProxy: upstreamProxy === undefined ? undefined : parseUpstreamProxy(upstreamProxy),
    upstream,
    journalLimit,
    holdLimit,
    seed,
    clock,
    listen: { host, port },
  }
}

function atLeast(name: string, value: number, least: number): void {
  if (!(Number.isFinite(value) && value >= least)) {
    throw new MidwireError('MIDWIRE_BAD_INPUT', `${name}: ${String(value)} — expected a number of bytes, ${least} or more`)
  }
}
