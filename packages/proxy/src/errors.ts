import { isNativeError } from 'node:util/types'

/** Stable codes of every error that Midwire raises; texts are for people and may change. */
export type MidwireErrorCode =
  | 'MIDWIRE_BAD_INPUT' // an option, match, close code or reason that cannot be meant
  | 'MIDWIRE_BAD_USE' // a call at the wrong time: outside a test, after its end, on a closed connection
  | 'MIDWIRE_UNMET' // a wait that was not met
  | 'MIDWIRE_UNEXPECTED' // an expectNo… that was met
  | 'MIDWIRE_UNUSED_RULE' // a rule that never acted
  | 'MIDWIRE_FORBIDDEN' // a forbid() rule that matched
  | 'MIDWIRE_RULE_FAILED' // a predicate, patch, observer or handler that threw, or a decision that never came
  | 'MIDWIRE_CODEC' // a codec that threw, or returned what its contract does not allow
  | 'MIDWIRE_PROTOCOL' // a peer that broke RFC 6455 or HTTP
  | 'MIDWIRE_LEAK' // a connection of a test that has ended
  | 'MIDWIRE_CAPTURE' // traffic that cannot be captured, by name
  | 'MIDWIRE_VERSION' // two incompatible copies in one realm

/** An error of Midwire's own. `code` is stable; `cause` keeps the origin. */
export class MidwireError extends Error {
  readonly code: MidwireErrorCode

  constructor(code: MidwireErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = `${new.target.name} [${code}]`
    this.code = code
  }
}

/** Whatever was thrown, as an error. Not by `instanceof`: under vmThreads Node's own errors are of another realm than the test's. */
export function asError(thrown: unknown): Error {
  if (isNativeError(thrown) || thrown instanceof Error) return thrown
  return new Error(`${String(thrown)} was thrown, which is no Error`, { cause: thrown })
}

/** The text of whatever was thrown. */
export function messageOf(thrown: unknown): string {
  return isNativeError(thrown) || thrown instanceof Error ? thrown.message : String(thrown)
}

/** The same with its class, where it is not Midwire's own: an `AggregateError` has no other text. */
export function nameOf(thrown: unknown): string {
  return thrown instanceof MidwireError ? thrown.message : String(thrown)
}
