import { callerError, checkCount } from './bad-input.ts'

/** Lets one of what a rule holds go, or the `count` oldest. @throws MidwireError if it does not hold that one, or not that many */
export function letGo<H extends object>(held: readonly H[], oneOrCount: H | number, what: string, release: (one: H) => void): void {
  if (typeof oneOrCount === 'object') {
    if (!held.includes(oneOrCount)) throw callerError('MIDWIRE_BAD_USE', `release(${what}): this rule does not hold that ${what}`)
    return release(oneOrCount)
  }
  checkCount(oneOrCount, 'release(count)')
  if (held.length < oneOrCount)
    throw callerError('MIDWIRE_BAD_USE', `release(${oneOrCount}): it holds ${held.length}; await next() before releasing`)
  for (const one of held.slice(0, oneOrCount)) release(one)
}
