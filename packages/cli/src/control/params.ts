import { nearest } from '../nearest.ts'
import { rpcCode, RpcError } from './json-rpc.ts'

type Table = Readonly<Record<string, unknown>>

/** The parameters of one call, by name. What is missing or of another type is an error that says what was expected. */
export class Params {
  readonly #what: string
  readonly #values: Table

  /** `known`: every name that may be given. @throws RpcError */
  constructor(what: string, values: unknown, known: readonly string[]) {
    this.#what = what
    const given = values ?? {}
    if (!isTable(given)) throw this.#fault(`expected an object with ${list(known)}, got ${nameOf(values)}`)
    this.#values = given
    for (const key of Object.keys(given)) {
      if (known.includes(key)) continue
      const meant = nearest(key, known)
      const hint = meant === undefined ? (known.length === 0 ? 'it takes none' : `known are ${list(known)}`) : `did you mean "${meant}"?`
      throw this.#fault(`unknown parameter "${key}"; ${hint}`)
    }
  }

  has(name: string): boolean {
    return this.#values[name] !== undefined
  }

  /** As it came; whoever gets it checks it. */
  raw(name: string): unknown {
    return this.#values[name]
  }

  string(name: string): string {
    return this.#must(name, 'a string', this.optionalString(name))
  }

  optionalString(name: string): string | undefined {
    const value = this.#values[name]
    if (value === undefined || typeof value === 'string') return value
    throw this.#wrong(name, 'a string')
  }

  /** An integer from `least`. */
  integer(name: string, least: number): number {
    return this.#must(name, 'an integer', this.optionalInteger(name, least))
  }

  optionalInteger(name: string, least: number): number | undefined {
    const value = this.#values[name]
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
    throw this.#wrong(name, `an integer from ${least}`)
  }

  boolean(name: string): boolean {
    return this.#must(name, 'true or false', this.optionalBoolean(name))
  }

  optionalBoolean(name: string): boolean | undefined {
    const value = this.#values[name]
    if (value === undefined || typeof value === 'boolean') return value
    throw this.#wrong(name, 'true or false')
  }

  choice<C extends string>(name: string, choices: readonly C[]): C {
    return this.#must(name, oneOf(choices), this.optionalChoice(name, choices))
  }

  optionalChoice<C extends string>(name: string, choices: readonly C[]): C | undefined {
    const value = this.#values[name]
    const found = choices.find(choice => choice === value)
    if (value === undefined || found !== undefined) return found
    throw this.#wrong(name, oneOf(choices))
  }

  optionalList(name: string): readonly unknown[] | undefined {
    const value = this.#values[name]
    if (value === undefined || Array.isArray(value)) return value
    throw this.#wrong(name, 'an array')
  }

  optionalTable(name: string): Table | undefined {
    const value = this.#values[name]
    if (value === undefined || isTable(value)) return value
    throw this.#wrong(name, 'an object')
  }

  #must<T>(name: string, wanted: string, value: T | undefined): T {
    if (value === undefined) throw this.#fault(`"${name}" is missing; expected ${wanted}`)
    return value
  }

  #wrong(name: string, wanted: string): RpcError {
    return this.#fault(`"${name}": expected ${wanted}, got ${nameOf(this.#values[name])}`)
  }

  #fault(text: string): RpcError {
    return new RpcError(rpcCode.invalidParams, `${this.#what}: ${text}`)
  }
}

function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nameOf(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return JSON.stringify(value) ?? 'nothing'
}

function oneOf(choices: readonly string[]): string {
  return choices.map(choice => JSON.stringify(choice)).join(' or ')
}

function list(names: readonly string[]): string {
  return names.map(name => `"${name}"`).join(', ')
}
