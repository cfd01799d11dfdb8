import { authorityOptions, findAuthority } from '../authority-source.ts'
import { loadCodec, codecNames } from '../codecs.ts'
import { HelpWanted, optionHelp, parseOptions, parsePort } from '../options.ts'
import type { OptionTable, Parsed } from '../options.ts'
import { stopSignal } from '../stop-signal.ts'
import { messageOf, UsageError } from '../usage-error.ts'
import { version } from '../version.ts'
import { startControlServer } from './control-server.ts'
import type { ControlServer, ControlServerOptions } from './control-server.ts'

const options = {
  control: { type: 'boolean', text: 'be a control server' },
  port: { type: 'string', short: 'p', value: 'PORT', text: 'port of the control connection, on this machine only. Default: any' },
  token: {
    type: 'string',
    value: 'TOKEN',
    text: 'what clients must know. Default: MIDWIRE_TOKEN of the environment,\nor else a random one',
  },
  'until-eof': { type: 'boolean', text: 'end when standard input ends: with the suite that started it' },
  route: { type: 'string', multiple: true, value: 'HOST=URL', text: 'send a host to another server; may be given several times' },
  bypass: { type: 'string', value: 'HOSTS', text: 'do not look into these hosts, as NO_PROXY names them' },
  'upstream-proxy': { type: 'string', value: 'URL', text: 'reach servers through this proxy' },
  codec: {
    type: 'string',
    value: 'NAME',
    text: `what messages are: ${codecNames.slice(0, 6).join(', ')},\n${codecNames.slice(6).join(', ')}.\nDefault: objects and arrays of JSON; other text as strings, binary\nas bytes`,
  },
  ...authorityOptions,
} as const satisfies OptionTable

const help = `Usage: midwire serve --control [OPTIONS]

A proxy that suites in any language drive by JSON-RPC 2.0 over WebSocket. Prints one line of JSON
once it listens, { "url": "ws://…", "token": "…", "env": { … } }, and runs until a signal comes.

${optionHelp(options)}

docs/other-languages.md tells the protocol; control.schema.json is its JSON schema.`

/** Runs a control server until it is to end. @throws UsageError on options that cannot be meant, and where the port is in use */
export async function serveControl(args: readonly string[]): Promise<number> {
  const parsed = readOptions(args)
  if (parsed === undefined) {
    process.stdout.write(`${help}\n`)
    return 0
  }
  const { values, rest } = parsed
  if (rest.length > 0) throw new UsageError(`midwire serve --control takes no command, but there is ${JSON.stringify(rest[0])}`)
  const { port, codec, bypass, 'upstream-proxy': upstreamProxy, route = [] } = values
  const token = values.token ?? process.env['MIDWIRE_TOKEN']
  const authority = findAuthority(values)
  const stopped = stopSignal()
  await using server = await start({
    ...(port !== undefined && { port: parsePort('--port', port) }),
    ...(token !== undefined && { token: checkToken(token) }),
    ...(codec !== undefined && { codec: await loadCodec(codec) }),
    ...(bypass !== undefined && { bypass }),
    ...(upstreamProxy !== undefined && { upstreamProxy }),
    ...(route.length > 0 && { route: Object.fromEntries(route.map(routeOf)) }),
    ...(authority && { engine: { authority: { cert: authority.cert, key: authority.key } } }),
  })
  process.stdout.write(
    `${JSON.stringify({ url: server.url, token: server.token, env: server.env, pid: process.pid, version: version() })}\n`,
  )
  await (values['until-eof'] ? Promise.race([stopped, inputEnds()]) : stopped)
  return 0
}

/** `undefined`: help is wanted. */
function readOptions(args: readonly string[]): Parsed<typeof options> | undefined {
  try {
    return parseOptions('serve', options, args)
  } catch (error) {
    if (error instanceof HelpWanted) return undefined
    throw error
  }
}

async function start(own: ControlServerOptions): Promise<ControlServer> {
  try {
    return await startControlServer(own)
  } catch (cause) {
    const hint = own.port === undefined || own.port === 0 ? '' : '; give another --port, or none for any that is free'
    throw new UsageError(`${messageOf(cause)}${hint}`, { cause })
  }
}

function checkToken(token: string): string {
  // RFC 6750 §2.1: what a Bearer field can carry.
  if (/^[A-Za-z0-9\-._~+/]+=*$/.test(token)) return token
  throw new UsageError('--token: expected letters, digits and -._~+/ alone')
}

function routeOf(text: string): [host: string, url: string] {
  const [, host, url] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (host !== undefined && url !== undefined && URL.canParse(url)) return [host, url]
  throw new UsageError(`--route ${text}: expected HOST=URL, such as api.example.com=http://127.0.0.1:4000`)
}

function inputEnds(): Promise<void> {
  return new Promise(resolve => {
    process.stdin
      .once('end', resolve)
      .once('error', () => resolve())
      .resume()
  })
}
