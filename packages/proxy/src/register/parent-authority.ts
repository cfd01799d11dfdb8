import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Trusted } from '../tls/trust.ts'

/** The authority of the process that started this one: its certificate, without its key. */
export class ParentAuthority implements Trusted {
  readonly #file: string
  #certificate: string | undefined
  #parsed: X509Certificate | undefined

  constructor(file: string) {
    this.#file = file
  }

  // Not before TLS is used.
  get certificate(): string {
    return (this.#certificate ??= read(this.#file))
  }

  issued({ raw }: { readonly raw: Uint8Array }): boolean {
    if (this.certificate === '') return false
    const { publicKey } = (this.#parsed ??= new X509Certificate(this.certificate))
    return new X509Certificate(raw).verify(publicKey)
  }
}

/** The file is gone once the proxy has ended; no connection succeeds then. */
function read(file: string): string {
  try {
    // Others that the process trusts may stand before it.
    return (
      readFileSync(file, 'utf8')
        .match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
        ?.at(-1) ?? ''
    )
  } catch {
    return ''
  }
}
