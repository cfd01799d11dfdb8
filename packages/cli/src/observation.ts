import { readFileSync } from 'node:fs'
import tls from 'node:tls'
import { styleText } from 'node:util'
import { startProxy } from '@midwire/proxy'
import type { ProxyEngine, ProxyOptions } from '@midwire/proxy'
import { ProxyControl } from '@midwire/sdk'
import type { Codec } from '@midwire/sdk'
import { authorityOptions, findAuthority } from './authority-source.ts'
import type { AuthoritySource } from './authority-source.ts'
import { codecNames, loadCodec } from './codecs.ts'
import { parsePort } from './options.ts'
import type { OptionTable, OptionValues } from './options.ts'
import { loadRules } from './rules-file.ts'
import { ErrorStream } from './error-stream.ts'
import { discreet, open } from './traffic/disclosure.ts'
import { followTraffic } from './traffic/follow-traffic.ts'
import type { Following, TrafficView } from './traffic/follow-traffic.ts'
import { HarView } from './traffic/har-view.ts'
import { JsonlView } from './traffic/jsonl-view.ts'
import { formatOf } from './traffic/output-file.ts'
import { Table } from './traffic/table.ts'
import { messageOf, UsageError } from './usage-error.ts'
import { version } from './version.ts'

/** How traffic is shown and kept. */
export const viewOptions = {
  output: {
    type: 'string',
    short: 'o',
    value: 'FILE',
    text: 'write everything to FILE.har (HAR 1.2) or FILE.jsonl, with headers\nand bodies',
  },
  headers: { type: 'boolean', text: 'show headers in the table' },
  bodies: { type: 'boolean', text: 'show bodies in the table' },
  'show-secrets': { type: 'boolean', text: 'show passwords, tokens, cookies and keys as they are, also in FILE' },
  codec: {
    type: 'string',
    value: 'NAME',
    text: `what messages are: ${codecNames.slice(0, 6).join(', ')},\n${codecNames.slice(6).join(', ')}`,
  },
  rules: { type: 'string', value: 'FILE', text: 'apply the rules of a module: export function rules(proxy) { … }' },
  quiet: { type: 'boolean', short: 'q', text: 'show no table' },
} as const satisfies OptionTable

/** Where traffic comes in, and where it goes. */
export const proxyOptions = {
  port: { type: 'string', short: 'p', value: 'PORT', text: 'port of the proxy, on this machine only. Default: any' },
  route: { type: 'string', multiple: true, value: 'HOST=URL', text: 'send a host to another server; may be given several times' },
  bypass: { type: 'string', value: 'HOSTS', text: 'do not look into these hosts, as NO_PROXY names them' },
  'upstream-proxy': {
    type: 'string',
    value: 'URL',
    text: 'reach servers through this proxy. Default: that of HTTPS_PROXY,\nHTTP_PROXY or ALL_PROXY',
  },
  'upstream-ca': { type: 'string', multiple: true, value: 'FILE', text: 'trust servers that this authority vouches for' },
  insecure: { type: 'boolean', short: 'k', text: 'do not verify the certificates of servers' },
  ...authorityOptions,
} as const satisfies OptionTable

/** A proxy whose traffic is shown. */
export interface Observation {
  readonly engine: ProxyEngine
  readonly authority: AuthoritySource | undefined
  /** Lines beside those of the table. */
  say(text: string): void
  /** Waits for what is still on its way, for `grace` ms at most; then everything is closed. */
  stop(grace: number): Promise<void>
}

/** @throws UsageError on values that cannot be meant, and where something is missing or in use */
export async function observe(
  values: OptionValues<typeof viewOptions> & OptionValues<typeof proxyOptions>,
  own: Pick<ProxyOptions, 'listen'> = {},
): Promise<Observation> {
  const authority = findAuthority(values)
  const more = moreTrusted(values['upstream-ca'] ?? [], authority, process.env)
  // It takes a while, which the command has begun with by then: no server is asked before.
  setImmediate(() =>
    tls.setDefaultCACertificates([...new Set([...tls.getCACertificates('default'), ...tls.getCACertificates('system'), ...more])]),
  )
  // Node's own words for it; its warning would stand in the table.
  if (values.insecure === true) {
    process.env['NODE_NO_WARNINGS'] = '1'
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0'
  }
  const rules = values.rules === undefined ? undefined : await loadRules(values.rules)
  const codec: Codec<never> | undefined = values.codec === undefined ? rules?.codec : await loadCodec(values.codec)
  const screen = new ErrorStream()
  const say = (text: string): void => screen.write(`midwire: ${text}\n`)
  const control = new ProxyControl<never>(
    {
      currentScope: engine => engine.currentScope() ?? engine.root,
      timeLeft: () => undefined,
      testName: () => undefined,
      lateFailure: (_scope, error) => say(error.message),
      warn: (_scope, text) => say(text),
    },
    { unusedRules: 'warn', ...(codec && { codec }) },
  )
  const engine = await start({
    ...control.engineOptions(),
    ...engineOptions(values),
    ...own,
    ...(authority && { authority: { cert: authority.cert, key: authority.key } }),
    onFailure: ({ error }) => say(error.message),
  })
  let following: Following
  try {
    control.bind(engine)
    control.adoptScope(engine.root, 'test')
    following = followTraffic(engine, views(values, engine, screen))
    await rules?.rules(control.proxy)
  } catch (error) {
    await engine.close()
    await screen.close()
    if (error instanceof UsageError) throw error
    throw new UsageError(`--rules ${values.rules ?? ''} failed: ${messageOf(error)}`, { cause: error })
  }
  return {
    engine,
    authority,
    say,
    async stop(grace) {
      await following.quiet(grace)
      const errors = await control.finishScope(engine.root, { failed: false })
      following.stop()
      for (const error of errors) say(error.message)
      await engine.close()
      await screen.close()
    },
  }
}

async function start(options: ProxyOptions): Promise<ProxyEngine> {
  try {
    return await startProxy({ ...options, capture: false, adoptUnscoped: true })
  } catch (cause) {
    const port = options.listen?.port
    const hint = port === undefined || port === 0 ? '' : '; give another --port, or none for any that is free'
    throw new UsageError(`${messageOf(cause)}${hint}`, { cause })
  }
}

function engineOptions(values: OptionValues<typeof proxyOptions>): ProxyOptions {
  const { port, route = [], bypass, 'upstream-proxy': given } = values
  const upstreamProxy = given ?? proxyOf(process.env)
  return {
    ...(port !== undefined && { listen: { port: parsePort('--port', port) } }),
    ...(route.length > 0 && { route: Object.fromEntries(route.map(routeOf)) }),
    ...(bypass !== undefined && { bypass }),
    ...(upstreamProxy !== undefined && upstreamProxy !== '' && { upstreamProxy }),
  }
}

function routeOf(text: string): [host: string, url: string] {
  const [, host, url] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (host !== undefined && url !== undefined && URL.canParse(url)) return [host, url]
  throw new UsageError(`--route ${text}: expected HOST=URL, such as api.example.com=http://127.0.0.1:4000`)
}

/** The one that the command would have used without us. */
function proxyOf(env: NodeJS.ProcessEnv): string | undefined {
  const names = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY']
  return names.map(name => env[name]).find(value => value !== undefined && value !== '')
}

/** Servers are trusted that the command would have trusted without us: by the system, by its variables, by the authority of this machine. */
function moreTrusted(files: readonly string[], authority: AuthoritySource | undefined, env: NodeJS.ProcessEnv): string[] {
  const told = ['SSL_CERT_FILE', 'CURL_CA_BUNDLE', 'REQUESTS_CA_BUNDLE', 'GIT_SSL_CAINFO', 'NODE_EXTRA_CA_CERTS', 'npm_config_cafile']
  const more = told.flatMap(name => certificatesIn(env[name]))
  for (const file of files) {
    const found = certificatesIn(file)
    if (found.length === 0) throw new UsageError(`--upstream-ca ${file}: expected a file with certificates in PEM, and found none`)
    more.push(...found)
  }
  if (authority) more.push(...certificatesIn(authority.file))
  return more
}

function certificatesIn(file: string | undefined): string[] {
  if (file === undefined || file === '') return []
  try {
    return readFileSync(file, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  } catch {
    return []
  }
}

function views(values: OptionValues<typeof viewOptions>, engine: ProxyEngine, screen: ErrorStream): TrafficView[] {
  const { output, quiet = false, headers = false, bodies = false, 'show-secrets': showSecrets = false } = values
  const common = { disclosure: showSecrets ? open : discreet, startedAt: Date.now() - engine.now(), now: () => engine.now() }
  const all: TrafficView[] = []
  if (output !== undefined)
    all.push(formatOf(output) === 'har' ? new HarView(output, { ...common, version: version() }) : new JsonlView(output, common))
  if (!quiet) {
    const { stderr } = process
    all.push(
      new Table({
        ...common,
        headers,
        bodies,
        write: text => screen.write(text),
        paint: (style, text) => styleText(style, text, { stream: stderr }),
        columns: () => (stderr.isTTY ? stderr.columns : undefined),
      }),
    )
  }
  return all
}
