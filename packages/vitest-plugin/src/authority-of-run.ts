import type { KeyPair } from '@midwire/proxy/authority'
import { inject } from 'vitest'

declare module 'vitest' {
  interface ProvidedContext {
    /** Certificate authority of this run, in PEM; it exists in memory only. */
    'midwire:authority': KeyPair
  }
}

/** The authority that `midwire()` made for all files of this run; `undefined` without it. */
export function authorityOfRun(): KeyPair | undefined {
  // Provided only where the configuration has the plugin, whatever the type says.
  const provided: KeyPair | undefined = inject('midwire:authority')
  return provided
}
