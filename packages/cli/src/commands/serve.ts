import type { Command } from '../command.ts'
import { serveControl } from '../control/serve-control.ts'
import { observe, proxyOptions, viewOptions } from '../observation.ts'
import { optionHelp, parseOptions } from '../options.ts'
import { stopSignal } from '../stop-signal.ts'
import { proxyLines, trustLines } from '../trust-lines.ts'
import { UsageError } from '../usage-error.ts'

const options = { ...viewOptions, ...proxyOptions }

export const serve: Command = {
  name: 'serve',
  summary: 'run a proxy, and show the traffic of whatever uses it',
  help: `Usage: midwire serve [OPTIONS]
       midwire serve --control [OPTIONS]

Listens as an HTTP and SOCKS5 proxy until Ctrl-C, and shows what goes through it on standard
error. With --control, suites in any language drive it (midwire serve --control --help).

${optionHelp(options)}

Its authority is made anew each time, unless it is given one: midwire ca --out FILE makes one
that stays.`,

  async run(args) {
    if (args.includes('--control')) return await serveControl(args)
    const { values, rest } = parseOptions('serve', options, args)
    if (rest.length > 0) throw new UsageError(`midwire serve takes no command; did you mean midwire run -- ${rest.join(' ')}?`)
    const stopped = stopSignal()
    const observation = await observe(values, values.port === undefined ? { listen: {} } : {})
    const { engine, authority } = observation
    const file = authority?.file ?? engine.env()['NODE_EXTRA_CA_CERTS'] ?? ''
    const told = [
      `Midwire listens on ${engine.url}`,
      '',
      'To use it:',
      proxyLines(engine.url),
      '',
      authority?.isMkcerts
        ? `To trust it: as mkcert -install has arranged, or with ${file}:`
        : `To trust it, for as long as it runs (${file}):`,
      trustLines(file, engine.certificate),
      '',
    ]
    process.stdout.write(`${told.join('\n')}\n`)
    await stopped
    await observation.stop(0)
    return 0
  },
}
