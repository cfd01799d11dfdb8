/** Longest reason that fits a control frame beside its code, in bytes of UTF-8 (RFC 6455 §5.5). */
const longestReason = 123

/** True for a code that an endpoint may put into a close frame (RFC 6455 §7.4). */
export function maySend(code: number): boolean {
  if (!Number.isInteger(code)) return false
  if (code >= 3000) return code <= 4999
  // 1004 is reserved, 1005, 1006 and 1015 are never sent; 1016 to 2999 belong to future versions.
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006
}

/** Why a close frame with this code and reason must not be written; `undefined` if it may. No code stands for an empty frame. */
export function closeFault(code: number | undefined, reason: string): string | undefined {
  if (code === undefined) {
    return reason === '' ? undefined : 'a close reason without a code — RFC 6455 §5.5.1 puts the reason behind the code'
  }
  if (!maySend(code)) {
    return `close code ${String(code)} must not be sent — expected 1000 to 1003, 1007 to 1014, or 3000 to 4999 (RFC 6455 §7.4)`
  }
  if (!reason.isWellFormed()) return 'the close reason is no well-formed Unicode — a close frame carries UTF-8 (RFC 6455 §5.5.1)'
  const length = Buffer.byteLength(reason)
  return length > longestReason ? `the close reason has ${length} bytes — at most ${longestReason} fit (RFC 6455 §5.5)` : undefined
}
