import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)

/** The version of this copy of the package. */
export const version: string = String((require('@midwire/proxy/package.json') as { version: unknown }).version)
