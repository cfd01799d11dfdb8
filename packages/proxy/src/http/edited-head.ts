import { MidwireError } from '../errors.ts'
import type { Target } from './target.ts'

// A head that a function of the test has changed: only what it changed is written anew.

/** The request-target for another path or query. @throws MidwireError MIDWIRE_BAD_INPUT on what cannot be one */
export function editedTarget(
  requestTarget: string,
  before: Pick<Target, 'path' | 'query'>,
  path: string,
  query: Fields,
  what: string,
): string {
  const wanted = formatQuery(query)
  const at = requestTarget.indexOf('?')
  const isSame = wanted === formatQuery(before.query)
  const rawQuery = isSame ? (at < 0 ? '' : requestTarget.slice(at)) : wanted === '' ? '' : `?${wanted}`
  if (isSame && path === before.path) return requestTarget
  const changed = `${path}${rawQuery}`
  if (!changed.startsWith('/') || /[\s\u0000-\u001f\u007f-\uffff]/.test(changed)) {
    throw new MidwireError(
      'MIDWIRE_BAD_INPUT',
      `${what} made the request-target ${JSON.stringify(changed)} — expected a path that begins with / and is percent-encoded`,
    )
  }
  return changed
}

type Fields = Record<string, string | string[] | undefined>

/** A head by lower-cased name; repeated fields are arrays. */
export function groupedHeaders(rawHeaders: readonly string[]): Record<string, string | string[]> {
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
export function mergedHeaders(raw: readonly string[], before: Fields, after: Fields): string[] {
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

function formatQuery(query: Fields): string {
  const parameters = new URLSearchParams()
  for (const [key, value] of Object.entries(query)) for (const one of [value ?? []].flat()) parameters.append(key, one)
  return parameters.toString()
}
