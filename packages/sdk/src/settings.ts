import { bypassFault, checkStream, listenFault, upstreamProxyFault } from '@midwire/proxy'
import type { Codec, StreamDeclaration } from '@midwire/proxy'
import { badInput, checkChoice, checkKeys, checkMs } from './bad-input.ts'

/** Options of `useInterceptionProxy` and `startInterceptionProxy`. */
export interface InterceptionOptions<T = Uint8Array> {
  /** Turns payloads into messages: `json()`, `text()`, `binary()`, `msgpack()` or one of your own. @default binary() */
  readonly codec?: Codec<T>
  /** HTTP exchanges that carry messages: event streams, lines, long polling; the first that matches counts, before those of the codec. @default [] */
  readonly streams?: readonly StreamDeclaration<T>[]
  /** Host name (or `host:port`) → http(s) URL of the server that stands in for it. @default {} */
  readonly route?: Readonly<Record<string, string>>
  /**
   * Host name (or `host:port`) → `false` tunnels that host untouched, for clients that pin its certificate; 'none' tunnels every host.
   * @default every host is intercepted
   */
  readonly intercept?: 'none' | Readonly<Record<string, boolean>>
  /**
   * Hosts that are tunnelled untouched, as `NO_PROXY` names them: `host`, `.suffix` for all hosts below it, addresses, subnets such as
   * `10.0.0.0/8`, `*`, each with `:port` where only that is meant. @default []
   */
  readonly bypass?: string | readonly string[]
  /**
   * URL of the proxy that Midwire's own connections go through, but those to this machine: `http://user:password@host:port` or `socks5://…`.
   * @default none
   */
  readonly upstreamProxy?: string
  /**
   * Where `proxy.url` listens, by IP address and port; whoever comes from another machine needs the credentials that the URL then carries.
   * @default 127.0.0.1, at a port of the system's choice
   */
  readonly listen?: { readonly host?: string; readonly port?: number }
  /** 'real' dials what the client meant; 'none' refuses whatever no rule answers; a URL sends every host there. @default 'real' */
  readonly upstream?: 'real' | 'none' | (string & {})
  /** What a rule does that a test declared and that never acted. @default 'fail' */
  readonly unusedRules?: 'fail' | 'warn' | 'ignore'
  /** What a connection does that a test leaves open: it is closed, or it fails the test. @default 'close' */
  readonly leaks?: 'close' | 'fail'
  /** ms that a wait takes at most. @default until shortly before the test's own timeout; 5000 where none is known */
  readonly waitTimeout?: number
  /** ms that the function of a rule may take to decide. @default as `waitTimeout` */
  readonly decisionTimeout?: number
  /** All that is random draws from it. @default from the clock */
  readonly seed?: number
  /**
   * What delays, latencies and timeouts of rules are measured by: 'test' follows the fake timers of the test while they are installed. Waits
   * and decisions are always given real time. @default 'real'
   */
  readonly clock?: 'real' | 'test'
  /** Bytes of payload that the journal keeps; over it the oldest go, never the counts. @default 64 MiB */
  readonly journalLimit?: number
}

const known = [
  'codec',
  'route',
  'intercept',
  'bypass',
  'upstreamProxy',
  'listen',
  'upstream',
  'streams',
  'unusedRules',
  'leaks',
  'waitTimeout',
  'decisionTimeout',
  'seed',
  'clock',
  'journalLimit',
] as const satisfies readonly (keyof InterceptionOptions)[]

/** @throws MidwireError MIDWIRE_BAD_INPUT on an unknown option or a value that cannot be meant, naming what would have been right */
export function checkSettings<T>(options: InterceptionOptions<T> | undefined, what: string): void {
  checkKeys(options, known, `${what} options`)
  const { codec, route, intercept, upstream, unusedRules, leaks, waitTimeout, decisionTimeout, seed, clock, journalLimit } = options ?? {}
  if (codec !== undefined) checkCodec(codec, what)
  checkStreams(options?.streams, what)
  checkTable(route, 'string', `${what} { route }`, 'an http: or https: URL')
  for (const [host, url] of Object.entries(route ?? {})) checkUrl(url, `${what} { route: { "${host}" } }`)
  if (intercept !== 'none') checkTable(intercept, 'boolean', `${what} { intercept }`, 'true or false')
  checkDoors(options ?? {}, what)
  if (upstream !== undefined && upstream !== 'real' && upstream !== 'none')
    checkUrl(upstream, `${what} { upstream }: 'real', 'none' or a URL`)
  checkChoice(unusedRules, ['fail', 'warn', 'ignore'], `${what} { unusedRules }`)
  checkChoice(leaks, ['close', 'fail'], `${what} { leaks }`)
  if (waitTimeout !== undefined) checkMs(waitTimeout, `${what} { waitTimeout }`)
  if (decisionTimeout !== undefined) checkMs(decisionTimeout, `${what} { decisionTimeout }`)
  checkChoice(clock, ['real', 'test'], `${what} { clock }`)
  if (seed !== undefined && !Number.isSafeInteger(seed)) throw badInput(`${what} { seed }: expected an integer, got ${String(seed)}`)
  if (journalLimit !== undefined && !(Number.isFinite(journalLimit) && journalLimit >= 0)) {
    throw badInput(`${what} { journalLimit }: expected a number of bytes, got ${String(journalLimit)}`)
  }
}

function checkCodec(codec: unknown, what: string): void {
  const named = typeof codec === 'object' && codec !== null && 'name' in codec && 'decode' in codec && 'encode' in codec
  if (named && typeof codec.decode === 'function' && typeof codec.encode === 'function') return
  const hint = typeof codec === 'function' ? `; did you mean ${codec.name || 'codec'}()?` : ''
  throw badInput(`${what} { codec }: expected { name, decode, encode }, got ${typeof codec}${hint}`)
}

function checkDoors(
  { bypass, upstreamProxy, listen }: Pick<InterceptionOptions, 'bypass' | 'upstreamProxy' | 'listen'>,
  what: string,
): void {
  const faults = {
    bypass: bypass === undefined ? undefined : bypassFault(bypass),
    upstreamProxy: upstreamProxy === undefined ? undefined : upstreamProxyFault(upstreamProxy),
    listen: listen === undefined ? undefined : listenFault(listen),
  }
  for (const [name, fault] of Object.entries(faults)) if (fault !== undefined) throw badInput(`${what} { ${name} }: ${fault}`)
}

function checkStreams(streams: unknown, what: string): void {
  if (streams === undefined) return
  if (!Array.isArray(streams)) throw badInput(`${what} { streams }: expected an array of { path, … }, got ${typeof streams}`)
  for (const [n, stream] of streams.entries()) {
    const fault = checkStream(stream)
    if (fault !== undefined) throw badInput(`${what} { streams: [${n}] }${fault}`)
  }
}

function checkTable(table: unknown, type: string, what: string, wanted: string): void {
  if (table === undefined) return
  if (typeof table !== 'object' || table === null || Array.isArray(table))
    throw badInput(`${what}: expected an object of host names and ${wanted}`)
  for (const [host, value] of Object.entries(table)) {
    if (host === '' || /[/@\s]/.test(host)) throw badInput(`${what}: "${host}" is no host name; expected 'host' or 'host:port'`)
    if (typeof value !== type) throw badInput(`${what}: expected ${wanted} for "${host}", got ${String(value)}`)
  }
}

function checkUrl(url: string, what: string): void {
  if (typeof url === 'string' && URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return
  throw badInput(`${what}: expected an http: or https: URL, got ${JSON.stringify(url)}`)
}
