import { randomUUID } from 'node:crypto'
import { type ErrorInfo, errorOf } from '../protocol-message.ts'

/** The key that the fake knows. */
export const key = 'app.key:secret'

export interface Credentials {
  readonly key?: string | null | undefined
  readonly token?: string | null | undefined
}

export interface TokenDetails {
  readonly token: string
  readonly issued: number
  readonly expires: number
  readonly capability: string
  readonly clientId?: string
}

/** Who may do anything: holders of the key, and of tokens that were issued here and have not been revoked. */
export class Access {
  readonly #tokens = new Map<string, TokenDetails>()

  issue({ clientId, ttl = 3_600_000 }: { readonly clientId?: string; readonly ttl?: number } = {}): TokenDetails {
    const issued = Date.now()
    const details: TokenDetails = {
      token: `app.${randomUUID()}`,
      issued,
      expires: issued + ttl,
      capability: '{"*":["*"]}',
      ...(clientId !== undefined && { clientId }),
    }
    this.#tokens.set(details.token, details)
    return details
  }

  /** `undefined` if they are good. */
  problemWith({ key: own, token }: Credentials): ErrorInfo | undefined {
    if (typeof token === 'string') {
      const known = this.#tokens.get(token)
      if (known && known.expires > Date.now()) return undefined
      return known ? errorOf(40142, 'Token expired') : errorOf(40140, 'Token unrecognised')
    }
    return own === key ? undefined : errorOf(40101, 'Invalid credentials')
  }
}
