#!/usr/bin/env node
import { once } from 'node:events'
import type { Command } from './command.ts'
import { ca } from './commands/ca.ts'
import { run } from './commands/run.ts'
import { serve } from './commands/serve.ts'
import { sniff } from './commands/sniff.ts'
import { nearest } from './nearest.ts'
import { HelpWanted } from './options.ts'
import { UsageError } from './usage-error.ts'
import { version } from './version.ts'

const commands: readonly Command[] = [run, serve, sniff, ca]

const code = await main(process.argv.slice(2))
if (process.stdout.writableLength > 0) await once(process.stdout, 'drain')
// What a rules file has started keeps nobody waiting.
process.exit(code)

async function main([name = '--help', ...args]: readonly string[]): Promise<number> {
  try {
    if (name === '--help' || name === '-h' || name === 'help') return help(args[0])
    if (name === '--version' || name === '-v') return print(version())
    return await find(name).run(args)
  } catch (error) {
    if (error instanceof HelpWanted) return help(name)
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`midwire: ${error.message}\n`)
    return error.exitCode
  }
}

function find(name: string): Command {
  const command = commands.find(known => known.name === name)
  if (command) return command
  const meant = nearest(
    name,
    commands.map(known => known.name),
  )
  const hint = meant === undefined ? 'midwire --help lists the commands' : `did you mean midwire ${meant}?`
  throw new UsageError(`there is no command ${JSON.stringify(name)}; ${hint}`)
}

function help(name: string | undefined): number {
  if (name !== undefined) return print(find(name).help)
  const list = commands.map(command => `  ${command.name.padEnd(8)}${command.summary}`)
  return print(['Usage: midwire COMMAND …', '', ...list, '', 'midwire COMMAND --help tells more.'].join('\n'))
}

function print(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}
