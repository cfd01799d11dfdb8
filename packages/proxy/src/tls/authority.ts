import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import tls from 'node:tls'
import type { SecureContext } from 'node:tls'
import { original } from '../capture/original.ts'
import { messageOf, MidwireError } from '../errors.ts'
import { AuthorityNames } from './authority-names.ts'
import { lifetime, makeAuthorityCertificate, makeLeafCertificate, readIssuer } from './certificate.ts'
import type { Issuer, Validity } from './certificate.ts'
import { wallTime } from './wall-time.ts'

/** Certificate and private key, in PEM. */
export interface KeyPair {
  readonly cert: string
  readonly key: string
}

interface Leaf {
  readonly pair: KeyPair
  /** In ms since 1970. */
  readonly renewAt: number
  context: SecureContext | undefined
}

/** A certificate authority of one test run, which lives in memory only. */
export class Authority {
  readonly #make: () => KeyPair
  #made: KeyPair | undefined
  readonly #names: AuthorityNames | undefined
  readonly #leaves = new Map<string, Leaf>()
  readonly #fingerprints = new Set<string>()
  #issuer: Issuer | undefined

  private constructor(make: () => KeyPair, names?: AuthorityNames) {
    this.#make = make
    this.#names = names
  }

  // Not before somebody looks: a run without TLS needs none, and the first takes 15 ms.
  get #pair(): KeyPair {
    return (this.#made ??= this.#make())
  }

  /**
   * Makes a new authority, valid for a week; with `names`, it vouches for these hosts and those below them alone (RFC 5280 §4.2.1.10).
   *
   * @throws MidwireError MIDWIRE_BAD_INPUT if a name is none
   */
  static create(names?: readonly string[]): Authority {
    const constraint = names && new AuthorityNames(names)
    return new Authority(() => {
      const { privateKey } = newKey()
      return { cert: makeAuthorityCertificate(privateKey, constraint), key: toPem(privateKey) }
    }, constraint)
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

  /** False for a host that it was made not to vouch for. */
  vouchesFor(hostName: string): boolean {
    return this.#names?.include(hostName) ?? true
  }

  /**
   * Certificate and key for a DNS name or an IP literal (without brackets); the same for the same name, as long as it is valid.
   *
   * @throws MidwireError MIDWIRE_BAD_INPUT for a host that it does not vouch for
   */
  leaf(hostName: string): KeyPair {
    return this.#leaf(hostName).pair
  }

  /** A leaf that no client should accept, and that does not count as issued; `by`: who has signed it. */
  falseLeaf(hostName: string, validity?: Validity, by: 'authority' | 'itself' = 'authority'): KeyPair {
    const { privateKey, publicKey } = newKey()
    const signer = by === 'itself' ? privateKey : this.#signer()
    return { cert: makeLeafCertificate(hostName, publicKey, signer, validity && { validity }), key: toPem(privateKey) }
  }

  /** What a TLS server for that name is made with; the same for the same name, as long as it is valid. ALPN is left to the server. */
  secureContextFor(hostName: string): SecureContext {
    const leaf = this.#leaf(hostName)
    const { cert, key } = leaf.pair
    // With the authority itself (RFC 8446 §4.4.2), for clients that know it by its key alone: they look among what they are shown.
    return (leaf.context ??= original(tls.createSecureContext)({ cert: `${cert.trimEnd()}\n${this.certificate}`, key }))
  }

  /** True for a leaf that this object made, as a TLS socket shows it. */
  issued(certificate: { readonly fingerprint256: string }): boolean {
    return this.#fingerprints.has(certificate.fingerprint256)
  }

  #leaf(hostName: string): Leaf {
    const name = hostName.toLowerCase()
    const made = this.#leaves.get(name)
    // A proxy may run for longer than a leaf of it is valid.
    if (made && wallTime() < made.renewAt) return made
    if (!this.vouchesFor(name)) {
      const { dns = [], addresses = [] } = this.#names ?? {}
      throw new MidwireError(
        'MIDWIRE_BAD_INPUT',
        `no certificate for ${hostName}: authority.names has ${[...dns, ...addresses].join(', ')}`,
      )
    }
    const { privateKey, publicKey } = newKey()
    const pair = { cert: makeLeafCertificate(name, publicKey, this.#signer()), key: toPem(privateKey) }
    const leaf = { pair, renewAt: wallTime() + lifetime / 2, context: undefined }
    this.#leaves.set(name, leaf)
    this.#fingerprints.add(new X509Certificate(pair.cert).fingerprint256)
    return leaf
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
