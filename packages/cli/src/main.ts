#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import type { Command } from './command.ts'
import { nearest } from './nearest.ts'
import { UsageError } from './usage-error.ts'

const commands: readonly Command[] = []

process.exitCode = await main(process.argv.slice(2))

async function main([name = '--help', ...args]: readonly string[]): Promise<number> {
  try {
    if (name === '--help' || name === '-h' || name === 'help') return help(args[0])
    if (name === '--version' || name === '-v') return print(version())
    const command = find(name)
    const own = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
    return own.includes('--help') || own.includes('-h') ? print(command.help) : await command.run(args)
  } catch (error) {
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

function version(): string {
  const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { readonly version: string }
  return manifest.version
}

function print(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}
