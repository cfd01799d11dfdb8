import { isDeepStrictEqual } from 'node:util'
import type { InterceptionOptions } from '@midwire/sdk'

/** The first option of `later` that `first` has otherwise; an option that `later` leaves out agrees with everything. */
export function contradiction(first: object, later: object): string | undefined {
  for (const [name, value] of Object.entries(later)) {
    if (value !== undefined && !agrees(name, Reflect.get(first, name), value)) return name
  }
  return undefined
}

function agrees(name: string, first: unknown, later: unknown): boolean {
  // `json()` called twice makes two codecs that are the same for whoever wrote it.
  if (name === ('codec' satisfies keyof InterceptionOptions))
    return first === later || (codecName(first) !== undefined && codecName(first) === codecName(later))
  return isDeepStrictEqual(first, later)
}

function codecName(codec: unknown): unknown {
  return typeof codec === 'object' && codec !== null ? Reflect.get(codec, 'name') : undefined
}
