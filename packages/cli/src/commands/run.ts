import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { text } from 'node:stream/consumers'
import type { Command } from '../command.ts'
import { observe, proxyOptions, viewOptions } from '../observation.ts'
import { optionHelp, parseOptions } from '../options.ts'
import { codeOf, messageOf, UsageError } from '../usage-error.ts'

const options = { ...viewOptions, ...proxyOptions }

/** ms that what is on its way gets to come to its end when the command has ended. */
const grace = 500

export const run: Command = {
  name: 'run',
  summary: 'run a command, and show its HTTP, HTTPS and WebSocket traffic',
  help: `Usage: midwire run [OPTIONS] -- COMMAND [ARGUMENTS…]
       midwire run [OPTIONS] < SCRIPT

Runs a command as it is, with its input and output, and shows its traffic on standard
error. Its exit code is ours. Without a command, the shell runs what standard input says.

${optionHelp(options)}

Examples:
  midwire run -- npm view ws version
  midwire run --headers --bodies -- curl https://example.com/
  midwire run -o traffic.har -- python3 client.py
  midwire run --rules slow.ts --codec json -- node client.js`,

  async run(args) {
    const { values, rest } = parseOptions('run', options, args)
    const [file, ...own] = rest.length > 0 ? rest : await script()
    if (file === undefined || file === '') throw new UsageError('the command is empty; expected midwire run -- COMMAND [ARGUMENTS…]')
    // Before it is changed for our own connections.
    const env = { ...process.env }
    const observation = await observe(values)
    try {
      return await runChild(file, own, { ...env, ...observation.engine.env() }, rest.length > 0 ? 'inherit' : 'ignore')
    } finally {
      await observation.stop(grace)
    }
  },
}

/** The shell with what standard input says. */
async function script(): Promise<readonly string[]> {
  if (process.stdin.isTTY) throw new UsageError('there is no command; expected midwire run -- COMMAND [ARGUMENTS…]')
  const lines = await text(process.stdin)
  if (lines.trim() === '') throw new UsageError('there is no command, neither behind -- nor on standard input')
  return process.platform === 'win32' ? ['cmd.exe', '/d', '/s', '/c', lines] : ['/bin/sh', '-c', lines]
}

async function runChild(file: string, args: readonly string[], env: NodeJS.ProcessEnv, stdin: 'inherit' | 'ignore'): Promise<number> {
  const child = spawn(file, args, { env, stdio: [stdin, 'inherit', 'inherit'] })
  // A terminal sends these to everything in its foreground, our child included: twice would be once too often.
  const fromTerminal = new Set<NodeJS.Signals>(isAtTerminal() ? ['SIGINT', 'SIGQUIT', 'SIGHUP'] : [])
  const forward = (signal: NodeJS.Signals): void => {
    if (!fromTerminal.has(signal)) child.kill(signal)
  }
  for (const signal of forwarded) process.on(signal, forward)
  try {
    // Rejects with the 'error' of a command that cannot be started.
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null]
    return signal ? 128 + constants.signals[signal] : (code ?? 1)
  } catch (cause) {
    throw cannotStart(file, cause)
  } finally {
    for (const signal of forwarded) process.off(signal, forward)
  }
}

const forwarded: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']

function isAtTerminal(): boolean {
  return [process.stdin, process.stdout, process.stderr].some(({ isTTY }) => isTTY)
}

/** With the exit codes that shells give. */
function cannotStart(file: string, cause: unknown): UsageError {
  if (codeOf(cause) === 'ENOENT') {
    const hint = file.includes('/') ? 'there is no such file' : 'it is in no folder of PATH'
    const spaced = /\s/.test(file) ? '; give the command and its arguments as words of their own, or by standard input' : ''
    return new UsageError(`the command ${JSON.stringify(file)} was not found: ${hint}${spaced}`, { exitCode: 127, cause })
  }
  const why = codeOf(cause) === 'EACCES' ? 'it is not executable by this user' : messageOf(cause)
  return new UsageError(`the command ${JSON.stringify(file)} cannot be started: ${why}`, { exitCode: 126, cause })
}
