/** A response with its body as the receiver understands it. */
export interface Answer {
  readonly head: readonly string[]
  readonly body: string
  /** Where it ends within the bytes. */
  readonly end: number
}

/** The end of the first head at or after `at`; `undefined` while it has not come. */
export function headEnd(bytes: Buffer, at: number): number | undefined {
  const end = bytes.indexOf('\r\n\r\n', at)
  return end < 0 ? undefined : end + 4
}

/** The lines of a head, without the white space around a value, which RFC 9110 §5.5 gives no meaning. */
export function lines(bytes: Buffer, from: number, to: number): string[] {
  return bytes
    .toString('latin1', from, to - 4)
    .split('\r\n')
    .map((line, n) => (n === 0 ? line : line.replace(/^([^:]*):[ \t]*(.*?)[ \t]*$/, '$1: $2')))
}

/** The response at `at`, once it is whole; `ended` says that no more bytes will come (RFC 9112 §6.3). */
export function answerAt(bytes: Buffer, at: number, ended: boolean): Answer | undefined {
  const start = headEnd(bytes, at)
  if (start === undefined) return undefined
  const head = lines(bytes, at, start)
  const status = Number(head[0]?.split(' ')[1])
  if (status === 101 || status === 204 || status === 304) return { head, body: '', end: start }
  const length = valueOf(head, 'content-length')
  if (length !== undefined) {
    const end = start + Number(length)
    return bytes.length < end ? undefined : { head, body: bytes.toString('latin1', start, end), end }
  }
  if (valueOf(head, 'transfer-encoding') === 'chunked') {
    const whole = unchunk(bytes, start)
    return whole && { head, ...whole }
  }
  return ended ? { head, body: bytes.toString('latin1', start), end: bytes.length } : undefined
}

export function valueOf(head: readonly string[], name: string): string | undefined {
  return head.find(line => line.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 2)
}

/** The body without its chunks, whose borders are no part of it (RFC 9112 §7.1). */
function unchunk(bytes: Buffer, start: number): { body: string; end: number } | undefined {
  let body = ''
  let at = start
  for (;;) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = parseInt(bytes.toString('latin1', at, line), 16)
    const next = line + 2 + size + 2
    if (bytes.length < next) return undefined
    if (size === 0) return { body, end: next }
    body += bytes.toString('latin1', line + 2, line + 2 + size)
    at = next
  }
}
