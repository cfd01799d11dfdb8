const hidden = '[redacted]'

/** Words that a name of a secret has: `access_token`, `X-Api-Key`, `clientSecret`, `sig`. */
const secretWords = new Set([
  ...['token', 'tokens', 'jwt', 'secret', 'secrets', 'password', 'passwd', 'passphrase', 'pwd', 'credential', 'credentials'],
  ...['authorization', 'auth', 'cookie', 'signature', 'sig', 'apikey', 'accesskey', 'privatekey', 'otp', 'pin'],
])

/** `key` alone says little; these before it say that it is one that opens something. */
const keyKinds = new Set(['api', 'access', 'private', 'secret', 'auth', 'account', 'subscription', 'functions', 'signing', 'encryption'])

/** Names that are about secrets, and are none: `token_type`, `max_tokens`. */
const aboutSecrets = new Set([
  'type',
  'expiry',
  'expires',
  'count',
  'max',
  'usage',
  'limit',
  'prompt',
  'completion',
  'total',
  'url',
  'endpoint',
])

/** True if a header, query parameter or field of that name carries a secret. */
export function isSecretName(name: string): boolean {
  const words = name
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
  if (words.some(word => aboutSecrets.has(word))) return false
  return words.some((word, n) => secretWords.has(word) || (word === 'key' && (words.length === 1 || keyKinds.has(words[n - 1] ?? ''))))
}

/** The value of a header as it may be shown. */
export function redactHeader(name: string, value: string): string {
  switch (name.toLowerCase()) {
    case 'authorization':
    case 'proxy-authorization':
      // RFC 9110 §11.4: the scheme tells nothing.
      return value.replace(/^(\s*[\w-]+\s+)?.*$/s, (_, scheme: string | undefined) => `${scheme ?? ''}${hidden}`)
    case 'cookie':
      return value.replace(/=[^;]*/g, `=${hidden}`)
    case 'set-cookie':
      return value.replace(/=[^;]*/, `=${hidden}`)
    case 'sec-websocket-protocol':
      return redactTokens(value)
    case 'location':
    case 'content-location':
    case 'referer':
      return redactUrl(value)
    default:
      return isSecretName(name) && !/^sec-websocket-key$/i.test(name) ? hidden : redactTokens(value)
  }
}

/** A URL as it may be shown: without the values of secret parameters, and without a password. */
export function redactUrl(url: string): string {
  const bare = url.replace(/^([a-z][a-z\d+.-]*:\/\/[^/?#@:]*):[^/?#@]*@/i, `$1:${hidden}@`)
  const at = bare.search(/[?#]/)
  return at < 0 ? bare : bare.slice(0, at) + redactForm(bare.slice(at))
}

/** A text as it may be shown: fields of JSON, fields of forms, and tokens that are told by their shape. */
export function redactText(text: string): string {
  const isForm = /^[\w.~%+[\]-]+=[^\s{]*$/.test(text)
  return redactTokens(redactJson(isForm ? redactForm(text) : text))
}

/** A decoded value as it may be shown: a copy, without what has the name of a secret. */
export function redactValue(value: unknown): unknown {
  if (typeof value === 'string') return redactText(value)
  if (Array.isArray(value)) return value.map(redactValue)
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null && !('toJSON' in value)) {
    if (value instanceof Map) return new Map([...value].map(([key, item]: [unknown, unknown]) => [key, redactField(String(key), item)]))
    if (value instanceof Date) return value
  }
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, redactField(name, item)]))
}

function redactField(name: string, value: unknown): unknown {
  const tellsSomething = value !== null && value !== undefined && typeof value !== 'boolean'
  return tellsSomething && isSecretName(name) ? hidden : redactValue(value)
}

/** `a=1&token=2`, also behind a `?` or `#`. */
function redactForm(text: string): string {
  return text.replace(/(^|[?&#;])([^=&#;?]+)=([^&#;]+)/g, (whole, before: string, name: string, value: string) => {
    if (isSecretName(decoded(name))) return `${before}${name}=${hidden}`
    return value.length < 20 ? whole : `${before}${name}=${redactTokens(value)}`
  })
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    return name
  }
}

/** What is a token by its shape, wherever it stands: `Bearer …`, and a JWT (RFC 7519). */
function redactTokens(text: string): string {
  return text.replace(/\b(Bearer|Basic)(\s+|%20|\.)[\w.~+/=-]{8,}/g, `$1$2${hidden}`).replace(/\beyJ[\w-]{8,}\.[\w-]{4,}\.[\w-]*/g, hidden)
}

/** Fields of whatever JSON a text holds, without touching the rest: numbers too large and text around it stay as they are. */
function redactJson(text: string): string {
  const field = /"((?:[^"\\\n]|\\.)*)"(\s*:\s*)/g
  let out = ''
  let done = 0
  for (let match = field.exec(text); match; match = field.exec(text)) {
    const [whole, name = ''] = match
    if (!isSecretName(name)) continue
    const start = match.index + whole.length
    const end = endOfValue(text, start)
    if (/^(?:true|false|null)$/.test(text.slice(start, end).trim())) continue
    out += `${text.slice(done, start)}"${hidden}"`
    done = end
    field.lastIndex = end
  }
  return out + text.slice(done)
}

/** Where the JSON value that starts there ends, or is broken off. */
function endOfValue(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    const char = text[at]
    if (char === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === '\\') at++
      if (depth === 0) return Math.min(at + 1, text.length)
    } else if (char === '{' || char === '[') depth++
    else if (char === '}' || char === ']') {
      if (depth === 0) return at
      if (--depth === 0) return at + 1
    } else if (depth === 0 && (char === ',' || char === '\n')) return at
  }
  return text.length
}
