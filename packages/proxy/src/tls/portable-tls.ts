import tls from 'node:tls'
import type { ConnectionOptions, SecureContextOptions } from 'node:tls'
import { original } from '../capture/original.ts'

/** What makes a client's secure context unlike those of others. */
export const ownKeys = ['ca', 'cert', 'key', 'pfx', 'passphrase', 'crl', 'dhparam', 'sessionIdContext', 'ticketKeys'] as const

/** What secure contexts without certificates of their own can differ in. */
export const contextKeys = [
  'ciphers', 'ecdhCurve', 'honorCipherOrder', 'maxVersion', 'minVersion', 'secureOptions', 'secureProtocol', 'sigalgs',
] as const // prettier-ignore

/** A client's options for TLS, as far as another process can be told of them. */
export interface PortableTls extends Pick<ConnectionOptions, 'rejectUnauthorized' | 'servername' | 'host'> {
  readonly context: SecureContextOptions
  /** It has a `checkServerIdentity` of its own, which cannot be asked elsewhere. */
  readonly hasOwnCheck: boolean
}

/** The options of the upstream leg that stand for them. */
export function restoredTls({ context, hasOwnCheck, ...options }: PortableTls): ConnectionOptions {
  return {
    ...options,
    ...(Object.keys(context).length > 0 && { secureContext: original(tls.createSecureContext)(context) }),
    ...(hasOwnCheck && { checkServerIdentity: () => undefined }),
  }
}

/** Those of the members that are there. */
export function pickKeys<T extends object, K extends keyof T>(from: T, keys: readonly K[]): Pick<T, K> {
  const picked: Partial<T> = {}
  for (const key of keys) if (from[key] !== undefined) picked[key] = from[key]
  return picked as Pick<T, K>
}
