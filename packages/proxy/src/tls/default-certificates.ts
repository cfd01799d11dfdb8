import tls from 'node:tls'
import { original } from '../capture/original.ts'
import { Patch } from '../capture/patch.ts'

/** Adds certificates to those that this thread's TLS clients trust by default, and takes them out again. */
export class DefaultCertificates {
  #added: readonly string[] = []
  /** The defaults without ours, while ours are among them. */
  #before: readonly string[] | undefined

  #version = 0

  /** Grows whenever the defaults change, as far as can be seen. */
  get version(): number {
    return this.#version
  }

  /** A test that sets other defaults keeps ours. */
  readonly #set = new Patch(tls, 'setDefaultCACertificates', (below: typeof tls.setDefaultCACertificates) => {
    return (certificates: Parameters<typeof tls.setDefaultCACertificates>[0]): void => {
      below(certificates)
      this.#version++
      if (!this.#set.wanted || this.#before === undefined) return
      this.#before = undefined
      this.#apply()
    }
  })

  watch(): void {
    this.#set.apply()
  }

  unwatch(): void {
    this.#set.remove()
  }

  /** Trusts these besides what was the default. Takes 20 to 40 ms where it changes something. */
  add(certificates: readonly string[]): void {
    if (this.#before !== undefined && sameList(certificates, this.#added)) return
    this.#added = [...certificates]
    this.#apply()
  }

  /** Keeps only these of what was added; the defaults are as before once none is left. */
  keep(certificates: readonly string[]): void {
    if (this.#before === undefined || sameList(certificates, this.#added)) return
    this.#added = [...certificates]
    this.#apply()
  }

  #apply(): void {
    const before = this.#before ?? this.#others()
    original(tls.setDefaultCACertificates)([...before, ...this.#added])
    this.#before = this.#added.length > 0 ? before : undefined
    this.#version++
  }

  /** The list that was set may contain ours already, in another layout. */
  #others(): readonly string[] {
    const ours = new Set(this.#added.map(content))
    return tls.getCACertificates('default').filter(certificate => !ours.has(content(certificate)))
  }
}

function sameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item, i) => item === other[i])
}

function content(certificate: string): string {
  return certificate.replace(/-----[^-]+-----|\s/g, '')
}
