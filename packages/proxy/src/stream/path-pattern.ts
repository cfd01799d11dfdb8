/** What a path matched: its `:name` segments by name. `undefined`: it did not match. */
export type PathMatch = Readonly<Record<string, string>>

/**
 * Matches a path against a pattern as `URLPattern` would: `*` is anything, `:name` one segment, all else itself; or against a RegExp, with
 * its named groups.
 */
export function pathPattern(pattern: string | RegExp): (path: string) => PathMatch | undefined {
  const expression = typeof pattern === 'string' ? compile(pattern) : new RegExp(pattern.source, pattern.flags.replace(/[gy]/g, ''))
  return path => {
    const match = expression.exec(path)
    return match === null ? undefined : { ...match.groups }
  }
}

function compile(pattern: string): RegExp {
  const source = pattern.replace(/:([A-Za-z_]\w*)|\*|[^:*]+|:/g, (text, name: string | undefined) => {
    if (name !== undefined) return `(?<${name}>[^/]+)`
    return text === '*' ? '.*' : text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  })
  return new RegExp(`^${source}$`)
}
