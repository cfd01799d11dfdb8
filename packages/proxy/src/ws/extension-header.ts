/** One element of a Sec-WebSocket-Extensions header, with its parameters in order (RFC 6455 §9.1). */
export interface Extension {
  readonly name: string
  readonly parameters: readonly (readonly [key: string, value: string | undefined])[]
}

/** Reads a header leniently: what cannot be an extension is left out. */
export function parseExtensions(header: string | undefined): Extension[] {
  const extensions: Extension[] = []
  for (const element of split(header ?? '', ',')) {
    const [name = '', ...parameters] = split(element, ';').map(part => part.trim())
    if (name === '') continue
    extensions.push({ name: name.toLowerCase(), parameters: parameters.filter(part => part !== '').map(parseParameter) })
  }
  return extensions
}

/** Writes `name; key; key=value, …`, the form that every client at hand reads. */
export function formatExtensions(extensions: readonly Extension[]): string {
  return extensions
    .map(({ name, parameters }) => [name, ...parameters.map(([key, value]) => (value === undefined ? key : `${key}=${value}`))].join('; '))
    .join(', ')
}

function parseParameter(part: string): [string, string | undefined] {
  const at = part.indexOf('=')
  if (at < 0) return [part.toLowerCase(), undefined]
  const value = part.slice(at + 1).trim()
  const quoted = value.length > 1 && value.startsWith('"') && value.endsWith('"')
  return [part.slice(0, at).trim().toLowerCase(), quoted ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value]
}

/** Splits outside quoted strings. */
function split(text: string, separator: string): string[] {
  const parts: string[] = []
  let part = ''
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i)
    if (quoted && char === '\\') {
      part += char + text.charAt(++i)
      continue
    }
    if (char === '"') quoted = !quoted
    if (char === separator && !quoted) {
      parts.push(part)
      part = ''
    } else part += char
  }
  parts.push(part)
  return parts
}
