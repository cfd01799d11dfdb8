import { headEnd, lines, valueOf } from './heads.ts'

/** One HTTP/1.1 message as its receiver understands it: without the borders of chunks, which are no part of a body (RFC 9112 §7.1). */
export interface HttpMessage {
  readonly head: readonly string[]
  readonly body: Buffer
  readonly trailers: readonly string[]
  /** False while more of it is to come, and for good if it was cut off. */
  readonly whole: boolean
  /** Where it ends within the bytes. */
  readonly end: number
}

/** The message at `at`, as far as it has come; `undefined` before its head is whole. `requestMethod` is that of the request it answers. */
export function messageAt(bytes: Buffer, at: number, requestMethod: string | undefined, ended: boolean): HttpMessage | undefined {
  const start = headEnd(bytes, at)
  if (start === undefined) return undefined
  const head = lines(bytes, at, start)
  const status = requestMethod === undefined ? undefined : Number(head[0]?.split(' ')[1])
  const isBodiless = status !== undefined && (requestMethod === 'HEAD' || status < 200 || status === 204 || status === 304)
  if (isBodiless) return { head, body: Buffer.alloc(0), trailers: [], whole: true, end: start }
  if (valueOf(head, 'transfer-encoding') === 'chunked') return { head, ...chunked(bytes, start) }
  const length = valueOf(head, 'content-length')
  if (length === undefined && status !== undefined)
    return { head, body: bytes.subarray(start), trailers: [], whole: ended, end: bytes.length }
  const end = start + Number(length ?? 0)
  return { head, body: bytes.subarray(start, end), trailers: [], whole: bytes.length >= end, end: Math.min(end, bytes.length) }
}

function chunked(bytes: Buffer, start: number): Omit<HttpMessage, 'head'> {
  const parts: Buffer[] = []
  const soFar = (): Omit<HttpMessage, 'head'> => ({ body: Buffer.concat(parts), trailers: [], whole: false, end: bytes.length })
  let at = start
  for (;;) {
    const line = bytes.indexOf('\r\n', at)
    if (line < 0) return soFar()
    const size = parseInt(bytes.toString('latin1', at, line), 16)
    if (size === 0) {
      // The trailer section ends as a head does; an empty one is nothing but the line break of the last chunk.
      const end = headEnd(bytes, line)
      if (end === undefined) return soFar()
      return { body: Buffer.concat(parts), trailers: lines(bytes, line, end).slice(1), whole: true, end }
    }
    parts.push(bytes.subarray(line + 2, line + 2 + size))
    at = line + 2 + size + 2
    if (bytes.length < at) return soFar()
  }
}
