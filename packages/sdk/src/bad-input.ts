import { closeFault, MidwireError } from '@midwire/proxy'
import type { MidwireErrorCode } from '@midwire/proxy'
import { callSite, placedAt } from './source-line.ts'

/** An error of the caller's, at the caller's line. */
export function callerError(code: MidwireErrorCode, message: string, cause?: unknown): MidwireError {
  const options = cause === undefined ? undefined : { cause }
  return placedAt(new MidwireError(code, message, options), callSite())
}

export function badInput(message: string): MidwireError {
  return callerError('MIDWIRE_BAD_INPUT', message)
}

/** @throws MidwireError MIDWIRE_BAD_INPUT naming the known keys, if `given` has another one */
export function checkKeys(given: unknown, known: readonly string[], what: string): void {
  if (given === undefined) return
  if (given === null || typeof given !== 'object' || Array.isArray(given)) {
    throw badInput(`${what}: expected an object with ${list(known)}, got ${given === null ? 'null' : typeof given}`)
  }
  for (const key of Object.keys(given)) {
    if (!known.includes(key)) throw badInput(`${what}: unknown key "${key}"; known are ${list(known)}`)
  }
}

/** @throws MidwireError MIDWIRE_BAD_INPUT if `value` is given and none of `choices` */
export function checkChoice(value: unknown, choices: readonly string[], what: string): void {
  if (value === undefined || choices.some(choice => choice === value)) return
  throw badInput(`${what}: expected ${choices.map(choice => `'${choice}'`).join(' or ')}, got ${String(value)}`)
}

/** @throws MidwireError MIDWIRE_BAD_INPUT unless `value` is a positive integer */
export function checkCount(value: unknown, what: string): void {
  if (Number.isSafeInteger(value) && Number(value) > 0) return
  throw badInput(`${what}: expected a positive integer, got ${String(value)}`)
}

/** @throws MidwireError MIDWIRE_BAD_INPUT unless `value` is a number of ms that a timer can take */
export function checkMs(value: unknown, what: string): void {
  if (typeof value === 'number' && value >= 0 && value <= 2_147_483_647) return
  throw badInput(`${what}: expected a number of ms from 0 to 2147483647, got ${String(value)}`)
}

export function checkFunction(value: unknown, what: string): void {
  if (typeof value !== 'function') throw badInput(`${what}: expected a function, got ${value === null ? 'null' : typeof value}`)
}

/**
 * RFC 6455 §7.4: which codes a close frame may carry.
 *
 * @throws MidwireError MIDWIRE_BAD_INPUT on a code that must not be sent, or a reason over 123 bytes (§5.5.1)
 */
export function checkClose(code: unknown, reason: unknown, what: string): void {
  if (typeof code !== 'number') throw badInput(`${what}: expected a close code, got ${String(code)}`)
  if (typeof reason !== 'string') throw badInput(`${what}: expected a string as reason, got ${typeof reason}`)
  const fault = closeFault(code, reason)
  if (fault !== undefined) throw badInput(`${what}: ${fault}`)
}

function list(names: readonly string[]): string {
  return names.map(name => `"${name}"`).join(', ')
}
