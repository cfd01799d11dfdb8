import { randomBytes } from 'node:crypto'
import type { Scope } from '../scope.ts'

/** Proxy credentials that say whose traffic it is: a random user name for each scope, and a password that nobody looks at. */
export class Credentials {
  readonly #byScope = new Map<Scope, string>()
  readonly #scopes = new Map<string, Scope>()

  /** The user name that stands for `scope`, the same each time. */
  usernameOf(scope: Scope): string {
    const known = this.#byScope.get(scope)
    if (known !== undefined) return known
    const username = randomBytes(18).toString('base64url')
    this.#byScope.set(scope, username)
    this.#scopes.set(username, scope)
    return username
  }

  /** Whose traffic it is, ended scopes included; `undefined` for a user name that was never handed out. */
  scopeOf(username: string): Scope | undefined {
    return this.#scopes.get(username)
  }
}

/** The part of a URL that carries credentials (RFC 3986 §3.2.1). */
export function userinfo(username: string): string {
  return `${username}:x@`
}

/** The user name of a `Proxy-Authorization` field (RFC 7617 §2); `undefined` where it holds no Basic credentials. */
export function basicUsername(field: string): string | undefined {
  const encoded = /^basic +(?<token68>[A-Za-z0-9+/_-]+=*) *$/i.exec(field)?.groups?.['token68']
  if (encoded === undefined) return undefined
  const [username, ...password] = Buffer.from(encoded, 'base64').toString('utf8').split(':')
  return password.length > 0 ? username : undefined
}
