import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import tls from 'node:tls'
import type { SecureContext } from 'node:tls'
import { original } from '../capture/original.ts'
import { messageOf, MidwireError } from '../errors.ts'
import { makeAuthorityCertificate, makeLeafCertificate, readIssuer } from './certificate.ts'
import type { Issuer, Validity } from './certificate.ts'

/** Certificate and private key, in PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

/** A certificate authority of one test run, which lives in memory only. */
export class Authority {
  readonly #make: () => KeyPair
  #made: KeyPair | undefined
  readonly #leaves = new Map<string, KeyPair>()
  readonly #fingerprints = new Set<string>()
  readonly #contexts = new Map<string, SecureContext>()
  #issuer: Issuer | undefined

  private constructor(make: () => KeyPair) {
    this.#make = make
  }

  // Not before somebody looks: a run without TLS needs none, and the first takes 15 ms.
  get #pair(): KeyPair {
    return (this.#made ??= this.#make())
  }

  /** Makes a new authority, valid for three weeks. */
  static create(): Authority {
    return new Authority(() => {
      const { privateKey } = newKey()
      return { cert: makeAuthorityCertificate('Midwire test authority', privateKey), key: toPem(privateKey) }
    })
  }

  /** @throws MidwireError MIDWIRE_BAD_INPUT if the two do not belong together, or are not the PEM of an authority. */
  static from(pair: KeyPair): Authority {
    let why: string | undefined
    try {
      const certificate = new X509Certificate(pair.cert)
      if (!certificate.ca) why = 'the certificate is not one of an authority (basicConstraints CA:TRUE)'
      else if (!certificate.checkPrivateKey(createPrivateKey(pair.key))) why = 'the key is not that of the certificate'
    } catch (error) {
      why = messageOf(error)
    }
    if (why) throw new MidwireError('MIDWIRE_BAD_INPUT', `authority must be { cert, key } in PEM: ${why}`)
    return new Authority(() => ({ cert: pair.cert, key: pair.key }))
  }

  /** The authority's certificate, in PEM. */
  get certificate(): string {
    return this.#pair.cert
  }

  /** The authority's private key, in PEM. */
  get key(): string {
    return this.#pair.key
  }

  /** Certificate and key for a DNS name or an IP literal (without brackets); the same for the same name. */
  leaf(hostName: string): KeyPair {
    const name = hostName.toLowerCase()
    let leaf = this.#leaves.get(name)
    if (!leaf) {
      const { privateKey, publicKey } = newKey()
      leaf = { cert: makeLeafCertificate(name, publicKey, this.#signer()), key: toPem(privateKey) }
      this.#leaves.set(name, leaf)
      this.#fingerprints.add(new X509Certificate(leaf.cert).fingerprint256)
    }
    return leaf
  }

  /** A leaf that no client should accept, and that does not count as issued; `by`: who has signed it. */
  falseLeaf(hostName: string, validity?: Validity, by: 'authority' | 'itself' = 'authority'): KeyPair {
    const { privateKey, publicKey } = newKey()
    return {
      cert: makeLeafCertificate(hostName, publicKey, by === 'itself' ? privateKey : this.#signer(), validity),
      key: toPem(privateKey),
    }
  }

  /** What a TLS server for that name is made with; the same for the same name. ALPN is left to the server. */
  secureContextFor(hostName: string): SecureContext {
    const name = hostName.toLowerCase()
    let context = this.#contexts.get(name)
    if (!context) {
      const { cert, key } = this.leaf(name)
      // With the authority itself (RFC 8446 §4.4.2), for clients that know it by its key alone: they look among what they are shown.
      context = original(tls.createSecureContext)({ cert: `${cert.trimEnd()}\n${this.certificate}`, key })
      this.#contexts.set(name, context)
    }
    return context
  }

  /** True for a leaf that this object made, as a TLS socket shows it. */
  issued(certificate: { readonly fingerprint256: string }): boolean {
    return this.#fingerprints.has(certificate.fingerprint256)
  }

  #signer(): Issuer {
    return (this.#issuer ??= readIssuer(new X509Certificate(this.#pair.cert).raw, createPrivateKey(this.#pair.key)))
  }
}

function newKey(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

function toPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}
