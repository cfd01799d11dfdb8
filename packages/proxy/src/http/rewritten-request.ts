import { MidwireError } from '../errors.ts'
import type { RewritableHandshake } from '../rule/rule.ts'
import type { Locus } from './http-connection.ts'

/** Lets a rule's function change a handshake: only what it changed is written anew, all else leaves as it came. */
export function rewriteRequest(
  { target, requestTarget, headers }: Locus,
  change: (request: RewritableHandshake) => void,
): Pick<Locus, 'requestTarget' | 'headers'> {
  const before = { path: target.path, query: { ...target.query }, headers: grouped(headers) }
  const request = structuredClone(before)
  change(request)
  const query = formatQuery(request.query)
  const isSameQuery = query === formatQuery(before.query)
  const at = requestTarget.indexOf('?')
  const rawQuery = isSameQuery ? (at < 0 ? '' : requestTarget.slice(at)) : query === '' ? '' : `?${query}`
  const changed = `${request.path}${rawQuery}`
  if (!changed.startsWith('/') || /[\s\u0000-\u001f\u007f-\uffff]/.test(changed)) {
    throw new MidwireError(
      'MIDWIRE_BAD_INPUT',
      `rewrite() made the request-target ${JSON.stringify(changed)} — expected a path that begins with / and is percent-encoded`,
    )
  }
  return { requestTarget: changed, headers: mergeHeaders(headers, before.headers, request.headers) }
}

type Fields = RewritableHandshake['headers']

function grouped(rawHeaders: readonly string[]): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {}
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const name = (rawHeaders[n] ?? '').toLowerCase()
    const value = rawHeaders[n + 1] ?? ''
    const earlier = fields[name]
    fields[name] = earlier === undefined ? value : [earlier, value].flat()
  }
  return fields
}

/** Changed fields keep the place and the case of their first line; new ones come last. */
function mergeHeaders(raw: readonly string[], before: Fields, after: Fields): string[] {
  const headers: string[] = []
  const written = new Set<string>()
  for (let n = 0; n < raw.length; n += 2) {
    const [field = '', value = ''] = [raw[n], raw[n + 1]]
    const name = field.toLowerCase()
    if (same(before[name], after[name])) headers.push(field, value)
    else if (!written.has(name)) for (const line of [after[name] ?? []].flat()) headers.push(field, line)
    written.add(name)
  }
  for (const [name, value] of Object.entries(after))
    if (!written.has(name.toLowerCase())) for (const line of [value ?? []].flat()) headers.push(name, line)
  return headers
}

function same(a: string | string[] | undefined, b: string | string[] | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

function formatQuery(query: RewritableHandshake['query']): string {
  const parameters = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) for (const one of [value ?? []].flat()) parameters.append(key, one)
  return parameters.toString()
}
