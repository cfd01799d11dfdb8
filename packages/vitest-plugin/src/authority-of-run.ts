import type { KeyPair } from '@midwire/proxy/authority'
import { inject } from 'vitest'

/** Certificate and key of the authority that all files of a run share, in PEM; it exists in memory only. */
export type AuthorityOfRun = KeyPair

declare module 'vitest' {
  interface ProvidedContext {
    /** Made by `midwire()`. */
    'midwire:authority': AuthorityOfRun
  }
}

/** The authority that `midwire()` made; `undefined` without it. */
export function authorityOfRun(): AuthorityOfRun | undefined {
  // Provided only where the configuration has the plugin, whatever the type says.
  const provided: AuthorityOfRun | undefined = inject('midwire:authority')
  return provided
}
