import type { EditableRequest, EditableResponse } from '@midwire/proxy'
import { badInput, checkKeys } from './bad-input.ts'
import { mergePatch } from './merge-patch.ts'

type FieldsPatch = Readonly<Record<string, string | readonly string[] | undefined>>

/** What of a message's body and headers is to be otherwise; at most one of `body`, `text` and `json`. */
interface ContentPatch {
  /** Merged into the headers; names in any case, `undefined` takes one out. */
  readonly headers?: FieldsPatch
  /** The whole body. */
  readonly body?: Uint8Array
  /** The whole body, as text. */
  readonly text?: string
  /** Merged into the JSON of the body: objects deeply, all else as a whole. */
  readonly json?: unknown
}

/** A part of a request that is merged into it. */
export interface RequestPatch extends ContentPatch {
  readonly method?: string
  readonly path?: string
  /** Merged into the query; `undefined` takes a key out. */
  readonly query?: FieldsPatch
}

/** A part of a response that is merged into it. */
export interface ResponsePatch extends ContentPatch {
  readonly status?: number
  readonly statusText?: string
}

/** What changes a request as `patch` says. @throws MidwireError on a patch that cannot be meant */
export function requestPatch(patch: RequestPatch): (request: EditableRequest) => void {
  checkPatch(patch, ['method', 'path', 'query'], 'patchRequest(partial)')
  if (patch.path !== undefined && !/^\/[^?#]*$/.test(patch.path)) {
    throw badInput(`patchRequest({ path: "${patch.path}" }): expected a path that begins with / and has no query; that is { query }`)
  }
  return request => {
    const { method, path, query = {} } = patch
    if (method !== undefined) request.method = method
    if (path !== undefined) request.path = path
    for (const [key, value] of Object.entries(query)) request.query[key] = copied(value)
    patchContent(request, patch)
  }
}

/** What changes a response as `patch` says. @throws MidwireError on a patch that cannot be meant */
export function responsePatch(patch: ResponsePatch): (response: EditableResponse) => void {
  checkPatch(patch, ['status', 'statusText'], 'patchResponse(partial)')
  const { status, statusText } = patch
  if (status !== undefined && (!Number.isInteger(status) || status < 200 || status > 599)) {
    throw badInput(`patchResponse({ status }): expected a status from 200 to 599, got ${String(status)}`)
  }
  return response => {
    if (status !== undefined) response.status = status
    if (statusText !== undefined) response.statusText = statusText
    patchContent(response, patch)
  }
}

function patchContent(message: EditableRequest | EditableResponse, { headers = {}, body, text, json }: ContentPatch): void {
  for (const [name, value] of Object.entries(headers)) message.headers[name.toLowerCase()] = copied(value)
  if (body !== undefined) message.body = body
  if (text !== undefined) message.text = text
  if (json !== undefined) message.json = mergePatch(message.json, json)
}

function checkPatch(patch: ContentPatch, keys: readonly string[], what: string): void {
  if (patch === undefined || patch === null) throw badInput(`${what}: expected a function or an object, got ${String(patch)}`)
  checkKeys(patch, [...keys, 'headers', 'body', 'text', 'json'], what)
  if (Object.keys(patch).length === 0) throw badInput(`${what}: expected something to change, got an empty object`)
  const given = ['body', 'text', 'json'].filter(key => key in patch)
  if (given.length > 1) throw badInput(`${what}: ${given.join(' and ')} are the same body; give one of them`)
  if (patch.body !== undefined && !(patch.body instanceof Uint8Array))
    throw badInput(`${what} { body }: expected bytes; give a string as text`)
}

function copied(value: string | readonly string[] | undefined): string | string[] | undefined {
  return typeof value === 'string' || value === undefined ? value : [...value]
}
