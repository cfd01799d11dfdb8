/** Fields of a head by name, as Node's `headers` has them: repeated ones joined, of some only the first, `set-cookie` as an array. */
export type Fields = Record<string, string | string[] | undefined>

/** Fields that mean something once only: Node's own list (RFC 9110 §5.3). */
const single = new Set(
  (
    'age authorization content-length content-type etag expires from host if-modified-since if-unmodified-since ' +
    'last-modified location max-forwards proxy-authorization referer retry-after server user-agent'
  ).split(' '),
)

/** A flat header array by lower-cased name. */
export function fieldsOf(rawHeaders: readonly string[]): Fields {
  const fields: Fields = {}
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const name = (rawHeaders[n] ?? '').toLowerCase()
    const value = rawHeaders[n + 1] ?? ''
    const before = fields[name]
    if (name === 'set-cookie') fields[name] = before === undefined ? [value] : [before, value].flat()
    else if (before === undefined) fields[name] = value
    else if (!single.has(name)) fields[name] = `${String(before)}${name === 'cookie' ? '; ' : ', '}${value}`
  }
  return fields
}

/** The first value of a field, by lower-cased name. */
export function fieldOf(rawHeaders: readonly string[], name: string): string | undefined {
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const field = rawHeaders[n] ?? ''
    if (field.length === name.length && field.toLowerCase() === name) return rawHeaders[n + 1]
  }
  return undefined
}

/** True if a list field (RFC 9110 §5.6.1) has this member, whatever its case. */
export function hasMember(rawHeaders: readonly string[], name: string, member: string): boolean {
  for (let n = 0; n < rawHeaders.length; n += 2) {
    if ((rawHeaders[n] ?? '').toLowerCase() !== name) continue
    for (const part of (rawHeaders[n + 1] ?? '').split(',')) if (part.trim().toLowerCase() === member) return true
  }
  return false
}

/** `rawHeaders` with the value of every header of that name replaced, in place and case; `undefined` takes the header out. */
export function withHeader(rawHeaders: readonly string[], name: string, value: string | undefined): string[] {
  const headers: string[] = []
  let done = false
  for (let n = 0; n < rawHeaders.length; n += 2) {
    const [field = '', before = ''] = [rawHeaders[n], rawHeaders[n + 1]]
    if (field.toLowerCase() !== name) headers.push(field, before)
    else if (value !== undefined && !done) headers.push(field, value)
    done ||= field.toLowerCase() === name
  }
  return headers
}

/** The lines of a head, as HTTP/1 writes them (RFC 9112 §5). */
export function headerLines(rawHeaders: readonly string[]): string {
  let lines = ''
  for (let n = 0; n < rawHeaders.length; n += 2) lines += `${rawHeaders[n]}: ${rawHeaders[n + 1]}\r\n`
  return lines
}
