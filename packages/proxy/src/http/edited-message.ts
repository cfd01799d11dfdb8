import { STATUS_CODES } from 'node:http'
import { Readable } from 'node:stream'
import type { EditableRequest, EditableResponse } from '../rule/request-rule.ts'
import type { Part } from './declared-streams.ts'
import { EditedContent } from './edited-content.ts'
import { editedTarget } from './edited-head.ts'
import { fieldOf, withHeader } from './raw-headers.ts'
import type { Body, ClientSide, RequestHead, ResponseHead } from './sides.ts'
import type { Target } from './target.ts'

interface RequestEdit {
  readonly target: Target
  readonly version: ClientSide['version']
  readonly fn: (request: EditableRequest) => unknown
  /** Bytes that a body may have to be changed. */
  readonly limit: number
}

/** A request after `fn` has changed it; `raw` is its whole body, where that is known. */
export async function editRequest(
  head: RequestHead,
  body: Body,
  raw: Uint8Array | undefined,
  { target, version, fn, limit }: RequestEdit,
): Promise<Part<RequestHead>> {
  const request = Object.assign(new EditedContent(head.rawHeaders, raw, limit), {
    method: head.method,
    path: target.path,
    query: { ...target.query },
  })
  await fn(request)
  const { rawHeaders, body: changed } = request.result(version !== '2')
  const requestTarget = editedTarget(head.requestTarget, target, request.path, request.query, 'patchRequest()')
  return {
    head: { method: request.method, requestTarget, rawHeaders, version: head.version },
    body: changed ? bodyOf(changed, body) : body,
  }
}

interface ResponseEdit {
  /** Of the request. */
  readonly method: string
  readonly fn: (response: EditableResponse) => unknown
  readonly limit: number
}

/** A response after `fn` has changed it; `undefined` if it changed nothing. `bytes`: the new body, if there is one. */
export async function editResponse(
  head: ResponseHead,
  body: Body,
  raw: Uint8Array | undefined,
  { method, fn, limit }: ResponseEdit,
): Promise<(Part<ResponseHead> & { readonly bytes?: Uint8Array }) | undefined> {
  const response = Object.assign(new EditedContent(head.rawHeaders, raw, limit), { status: head.status, statusText: head.statusText })
  await fn(response)
  const hadContent = method !== 'HEAD' && head.status !== 204 && head.status !== 304
  const { rawHeaders, body: changed } = response.result(!hadContent && fieldOf(head.rawHeaders, 'content-length') === undefined)
  const { status } = response
  const statusText = phraseFor(response, head)
  const isSame = status === head.status && statusText === head.statusText && String(rawHeaders) === String(head.rawHeaders)
  if (isSame && !changed) return undefined
  return {
    head: { status, statusText, rawHeaders: status === 204 ? unframed(rawHeaders, head.rawHeaders) : rawHeaders, version: head.version },
    body: changed ? bodyOf(changed, body) : body,
    bytes: changed ?? raw ?? new Uint8Array(0),
  }
}

/** A phrase that says what the status meant goes with it. */
function phraseFor({ status, statusText }: EditableResponse, before: ResponseHead): string {
  const isUsual = statusText === before.statusText && statusText === STATUS_CODES[before.status]
  return isUsual ? (STATUS_CODES[status] ?? '') : statusText
}

/** RFC 9110 §8.6: a 204 says nothing about a length; what the function itself said stays. */
function unframed(rawHeaders: readonly string[], before: readonly string[]): readonly string[] {
  let headers = rawHeaders
  for (const name of ['content-length', 'transfer-encoding'])
    if (fieldOf(headers, name) === fieldOf(before, name)) headers = withHeader(headers, name, undefined)
  return headers
}

/** New content; trailers stay what they were. */
function bodyOf(bytes: Uint8Array, { trailers }: Body): Body {
  return { stream: Readable.from(bytes.length > 0 ? [bytes] : [], { objectMode: false }), trailers }
}
