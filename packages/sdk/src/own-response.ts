import { STATUS_CODES } from 'node:http'
import type { OwnResponse } from '@midwire/proxy'
import { badInput } from './bad-input.ts'

/** Header names and their values; an array repeats the header. */
export type ResponseHeaders = Readonly<Record<string, string | number | readonly string[]>>

/** RFC 9110 §5.6.2 */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
/** RFC 9110 §6.4.1: these never have content. */
const withoutContent: readonly number[] = [204, 205, 304]

/**
 * The response that `verb` was told to give.
 *
 * @throws MidwireError on a status that ends no exchange (200 to 599 do), a header that cannot be written, or a body that has no bytes
 */
export function ownResponse(
  verb: string,
  status: number,
  body: unknown,
  headers: ResponseHeaders | undefined,
  trailers?: ResponseHeaders,
): OwnResponse {
  if (!Number.isInteger(status) || status < 200 || status > 599) {
    throw badInput(`${verb}(status): expected a status from 200 to 599, got ${String(status)}`)
  }
  const content = contentOf(verb, body)
  const isEmpty = content instanceof Uint8Array && content.byteLength === 0
  if (!isEmpty && withoutContent.includes(status)) {
    throw badInput(`${verb}(${status}, body): a ${status} ${STATUS_CODES[status] ?? ''} response has no body (RFC 9110 §6.4.1)`)
  }
  const flat = flatHeaders(verb, headers)
  const type = typeOf(body)
  const isTyped = flat.some((text, index) => index % 2 === 0 && text.toLowerCase() === 'content-type')
  if (type !== undefined && !isTyped) flat.push('Content-Type', type)
  const behind = trailers === undefined ? {} : { trailers: Object.freeze(flatHeaders(verb, trailers)) }
  return Object.freeze({ status, body: content, headers: Object.freeze(flat), ...behind })
}

/** Names and values in turn. @throws MidwireError on a header that cannot be written */
function flatHeaders(verb: string, headers: ResponseHeaders = {}): string[] {
  if (headers === null || typeof headers !== 'object' || Array.isArray(headers)) {
    throw badInput(`${verb}(status, body, headers, trailers): expected headers and trailers as objects of names and values`)
  }
  return Object.entries(headers).flatMap(([name, value]) => {
    if (!token.test(name)) throw badInput(`${verb}(): "${name}" is no header name (RFC 9110 §5.1)`)
    return [value].flat().flatMap(text => {
      // A line break would start another header.
      if (/[\r\n\0]/.test(String(text))) throw badInput(`${verb}(): the value of "${name}" has a line break or NUL (RFC 9110 §5.5)`)
      return [name, String(text)]
    })
  })
}

function typeOf(body: unknown): string | undefined {
  if (body === undefined || body === null || body instanceof Uint8Array || body instanceof ReadableStream) return undefined
  return typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/json'
}

function contentOf(verb: string, body: unknown): Uint8Array | ReadableStream<Uint8Array> {
  if (body === undefined || body === null) return new Uint8Array(0)
  if (body instanceof Uint8Array || body instanceof ReadableStream) return body
  if (typeof body === 'string') return Buffer.from(body)
  const json = JSON.stringify(body)
  if (json === undefined) throw badInput(`${verb}(status, body): expected text, bytes or a JSON value, got ${typeof body}`)
  return Buffer.from(json)
}
