import { STATUS_CODES } from 'node:http'
import { headerLines } from './raw-headers.ts'

/** An answer of ours that ends its connection, for people: a whole response in HTTP/1.1 with a plain body. */
export interface PlainAnswer {
  readonly status: number
  readonly text: string
  /** Names and values in turn, beside those that frame it. */
  readonly headers?: readonly string[]
}

/** The bytes of the response (RFC 9112 §4). */
export function plainAnswer({ status, text, headers = [] }: PlainAnswer): string {
  const body = `${text}\n`
  const framing = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(Buffer.byteLength(body)), 'Connection', 'close']
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${headerLines([...headers, ...framing])}\r\n${body}`
}
