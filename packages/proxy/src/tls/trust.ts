import { syncBuiltinESMExports } from 'node:module'
import tls from 'node:tls'
import type { SecureContext, SecureContextOptions } from 'node:tls'
import { Patch } from '../capture/patch.ts'
import { DefaultCertificates } from './default-certificates.ts'

/** An authority that signs what targets show to clients, here or in another process. */
export interface Trusted {
  /** In PEM. */
  readonly certificate: string
  /** True for a leaf that it made, as a TLS socket shows it. */
  issued(certificate: { readonly fingerprint256: string; readonly raw: Uint8Array }): boolean
}

/** What is known of a secure context that a client made. */
interface Known {
  /** The options it was made with, before ours were added. */
  readonly meant: SecureContextOptions
  readonly trusts: Set<Trusted>
}

/** Makes the TLS clients of this thread trust our authorities: no file, no environment variable, no system store. */
export class Trust {
  /** With the number of their users. */
  readonly #authorities = new Map<Trusted, number>()
  readonly #known = new WeakMap<SecureContext, Known>()
  readonly #defaults = new DefaultCertificates()
  #serverSide = 0

  readonly #create: Patch<typeof tls.createSecureContext> = new Patch(tls, 'createSecureContext', below => {
    return options => (this.#create.wanted ? this.#make(below, options) : below(options))
  })
  readonly #patches = [this.#create, this.#server('setSecureContext'), this.#server('addContext')]

  watch(): void {
    this.#defaults.watch()
    for (const patch of this.#patches) patch.apply()
    // `import { createSecureContext } from 'node:tls'` sees the change too.
    syncBuiltinESMExports()
  }

  unwatch(): void {
    this.#defaults.unwatch()
    for (const patch of this.#patches) patch.remove()
    syncBuiltinESMExports()
  }

  add(authority: Trusted): void {
    this.#authorities.set(authority, (this.#authorities.get(authority) ?? 0) + 1)
  }

  remove(authority: Trusted): void {
    const users = (this.#authorities.get(authority) ?? 0) - 1
    if (users > 0) return void this.#authorities.set(authority, users)
    this.#authorities.delete(authority)
    this.#defaults.keep(this.#certificates())
  }

  /** The options that a context was made with; `undefined` if it was made before we watched. */
  meant(context: SecureContext): SecureContextOptions | undefined {
    return this.#known.get(context)?.meant
  }

  /** Grows whenever the certificates that are trusted by default change. */
  get defaultsVersion(): number {
    return this.#defaults.version
  }

  /** True for a certificate that a target shows in place of the server's own, which is verified on the upstream leg. */
  issued(certificate: Parameters<Trusted['issued']>[0]): boolean {
    return [...this.#authorities.keys()].some(authority => authority.issued(certificate))
  }

  /** Lets a context made while we watched trust authorities that came later. */
  extend(context: SecureContext): void {
    const known = this.#known.get(context)
    for (const authority of this.#authorities.keys()) {
      if (!known || known.trusts.has(authority)) continue
      known.trusts.add(authority)
      // Node's own way to add to a context, which has its own store from then on.
      const native = context.context as { addCACert(certificate: string): void }
      native.addCACert(authority.certificate)
    }
  }

  #make(below: typeof tls.createSecureContext, options: SecureContextOptions | undefined): SecureContext {
    if (this.#serverSide > 0 || Reflect.get(options ?? {}, 'isServer') === true) return below(options)
    const ours = this.#certificates()
    const { ca } = options ?? {}
    // At its first use: setting the defaults takes a while, and a test without TLS needs none.
    if (ours.length > 0 && !ca) this.#defaults.add(ours)
    const context = below(ca && ours.length > 0 ? { ...options, ca: [ca, ours].flat() } : options)
    this.#known.set(context, { meant: { ...options }, trusts: new Set(this.#authorities.keys()) })
    return context
  }

  /** A server's context is left alone: it must not ask its clients for certificates of our authority. */
  #server(name: 'setSecureContext' | 'addContext'): Patch<(this: tls.Server, ...args: never[]) => void> {
    const count = (by: number): void => {
      this.#serverSide += by
    }
    return new Patch(tls.Server.prototype, name, below => {
      return function (this: tls.Server, ...args: never[]): void {
        count(1)
        try {
          below.apply(this, args)
        } finally {
          count(-1)
        }
      }
    })
  }

  #certificates(): string[] {
    return [...this.#authorities.keys()].map(authority => authority.certificate)
  }
}
