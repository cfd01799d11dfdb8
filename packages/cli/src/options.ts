import { parseArgs } from 'node:util'
import { nearest } from './nearest.ts'
import { UsageError } from './usage-error.ts'

/** One option of a command. */
export interface OptionSpec {
  readonly type: 'boolean' | 'string'
  readonly short?: string
  /** May be given more than once. */
  readonly multiple?: boolean
  /** What help calls its value: `FILE`. */
  readonly value?: string
  /** What help says of it. */
  readonly text: string
}

export type OptionTable = Readonly<Record<string, OptionSpec>>

/** What was given, by name. */
export type OptionValues<Table extends OptionTable> = {
  readonly [Name in keyof Table]?: Table[Name] extends { readonly multiple: true }
    ? readonly string[]
    : Table[Name]['type'] extends 'boolean'
      ? boolean
      : string
}

export interface Parsed<Table extends OptionTable> {
  readonly values: OptionValues<Table>
  /** From the first argument on that is no option; `--` itself is left out. */
  readonly rest: readonly string[]
}

/** Somebody asked for help in place of the command. */
export class HelpWanted extends Error {}

/** Reads the options in front of the first argument that is none. @throws UsageError on an option that is not in the table; HelpWanted on `--help` */
export function parseOptions<Table extends OptionTable>(command: string, table: Table, args: readonly string[]): Parsed<Table> {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { type, short, multiple = false }]) => [name, { type, multiple, ...(short && { short }) }]),
  )
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true })
  const stop = tokens.find(({ kind }) => kind !== 'option')
  const own = stop ? args.slice(0, stop.index) : args
  for (const token of tokens) {
    if (token.kind !== 'option') break
    if (token.rawName === '--help' || token.rawName === '-h') throw new HelpWanted()
    const spec = table[token.name]
    if (!spec) throw new UsageError(unknown(command, token.rawName, table))
    if (spec.type === 'string' && (token.value === undefined || (!token.inlineValue && token.value.startsWith('-') && token.value !== '-')))
      throw new UsageError(`${token.rawName} needs a value: ${token.rawName} ${spec.value ?? 'VALUE'}`)
    if (spec.type === 'boolean' && token.value !== undefined) throw new UsageError(`${token.rawName} takes no value`)
  }
  const { values } = parseArgs({ args: [...own], options, strict: true })
  const rest = stop ? args.slice(stop.kind === 'option-terminator' ? stop.index + 1 : stop.index) : []
  return { values: values as OptionValues<Table>, rest }
}

function unknown(command: string, given: string, table: OptionTable): string {
  const meant = nearest(given.replace(/^-+/, ''), Object.keys(table))
  const hint = meant === undefined ? `midwire ${command} --help lists the options` : `did you mean --${meant}?`
  return `there is no option ${given}; ${hint}`
}

/** The options as lines of a help text. */
export function optionHelp(table: OptionTable): string {
  const left = Object.entries(table).map(
    ([name, { short, value }]) => `  ${short ? `-${short}, ` : '    '}--${name}${value === undefined ? '' : ` ${value}`}`,
  )
  const width = Math.max(...left.map(text => text.length)) + 2
  return Object.values(table)
    .flatMap(({ text }, n) => text.split('\n').map((line, k) => `${(k === 0 ? (left[n] ?? '') : '').padEnd(width)}${line}`))
    .join('\n')
}

/** @throws UsageError unless it is a number of a port */
export function parsePort(option: string, text: string): number {
  const port = Number(text)
  if (/^\d+$/.test(text) && port <= 65535) return port
  throw new UsageError(`${option} ${text}: expected a port from 0 to 65535`)
}
