import type { Command } from '../command.ts'
import { observe, proxyOptions, viewOptions } from '../observation.ts'
import { optionHelp, parseOptions, parsePort } from '../options.ts'
import { stopSignal } from '../stop-signal.ts'
import { messageOf, UsageError } from '../usage-error.ts'

const { port, 'upstream-proxy': upstreamProxy, 'upstream-ca': upstreamCa, insecure } = proxyOptions
const options = {
  target: { type: 'string', short: 't', value: 'URL', text: 'ws://, wss://, http:// or https:// URL of the server' },
  ...viewOptions,
  port: { ...port, text: 'port to listen on, on this machine only. Default: any' },
  'upstream-proxy': upstreamProxy,
  'upstream-ca': upstreamCa,
  insecure,
} as const

export const sniff: Command = {
  name: 'sniff',
  summary: 'stand in front of one server, and show the frames of its WebSockets',
  help: `Usage: midwire sniff --target wss://HOST/PATH [OPTIONS]

Listens on a port of this machine, relays what comes there to one server until Ctrl-C, and shows
it on standard error: messages decoded by a codec, pings, and ends. Clients connect to the URL
that it prints, and need neither proxy nor certificate.

${optionHelp(options)}`,

  async run(args) {
    const { values, rest } = parseOptions('sniff', options, args)
    const { target = rest[0], port: wanted, ...others } = values
    if (target === undefined) throw new UsageError('--target is missing: midwire sniff --target wss://HOST/PATH')
    if (!URL.canParse(target) || !/^(ws|http)s?:$/.test(new URL(target).protocol))
      throw new UsageError(`--target ${target}: expected a URL with ws://, wss://, http:// or https://`)
    const number = wanted === undefined ? 0 : parsePort('--port', wanted)
    const stopped = stopSignal()
    const observation = await observe({ ...others, 'no-mkcert': true })
    let url: string
    try {
      url = observation.engine.urlFor(target, observation.engine.root, { port: number })
    } catch (cause) {
      await observation.stop(0)
      throw new UsageError(`${messageOf(cause)}; give another --port, or none for any that is free`, { cause })
    }
    process.stdout.write(`${url} stands for ${target}\n`)
    await stopped
    await observation.stop(0)
    return 0
  },
}
