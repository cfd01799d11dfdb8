import { createHash, createPublicKey, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'

/** A node of an ASN.1 tree, as node-forge has it. */
interface Asn1 {
  readonly value: string | Asn1[]
  readonly bitStringContents?: string
}

/** What is used of node-forge's ASN.1. Byte strings are in latin1. */
interface Asn1Tools {
  create(tagClass: number, type: number, constructed: boolean, value: string | Asn1[]): Asn1
  fromDer(bytes: string): Asn1
  toDer(item: Asn1): { getBytes(): string }
  oidToDer(id: string): { getBytes(): string }
  dateToUtcTime(date: Date): string
}

// The whole of node-forge takes 35 ms to load; its ASN.1 alone takes 6, and only where a certificate is made.
const require = createRequire(import.meta.url)
let loaded: Asn1Tools | undefined
function asn1(): Asn1Tools {
  return (loaded ??= require('node-forge/lib/asn1.js') as Asn1Tools)
}

const OID = {
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  sha256WithRsa: '1.2.840.113549.1.1.11',
} as const

const UNIVERSAL = 0x00
const CONTEXT = 0x80
const DAY = 24 * 60 * 60 * 1000

/** Who signs: a subject as DER, its key identifier, and its private key. */
export interface Issuer {
  readonly subject: Asn1
  readonly keyId: Buffer
  readonly key: KeyObject
}

/** Makes the certificate of an authority that signs itself, in PEM (RFC 5280 §4.2.1.9). */
export function makeAuthorityCertificate(commonName: string, key: KeyObject): string {
  const keyId = keyIdOf(createPublicKey(key))
  const subject = nameOf(commonName)
  return signed({ subject, keyId, key }, subject, createPublicKey(key), [
    extension(OID.basicConstraints, true, sequence(boolean(true), integer('\0'))),
    // keyCertSign(5), cRLSign(6)
    extension(OID.keyUsage, true, bits('\x01\x06')),
    extension(OID.subjectKeyIdentifier, false, octets(latin1(keyId))),
  ])
}

/** From when to when a certificate is valid, in ms since 1970. */
export interface Validity {
  readonly from: number
  readonly to: number
}

/**
 * Makes the certificate of a TLS server, or of a client that shows one, for one DNS name or IP literal, in PEM.
 *
 * @param issuer who signs it; a private key: that of the certificate itself
 */
export function makeLeafCertificate(hostName: string, publicKey: KeyObject, issuer: Issuer | KeyObject, validity?: Validity): string {
  const subject = nameOf(hostName.slice(0, 64))
  const signer = 'subject' in issuer ? issuer : { subject, keyId: keyIdOf(publicKey), key: issuer }
  const extensions = [
    extension(OID.basicConstraints, true, sequence()),
    // digitalSignature(0), keyEncipherment(2): the latter for clients that offer nothing but RSA key exchange
    extension(OID.keyUsage, true, bits('\x05\xa0')),
    extension(OID.extKeyUsage, false, sequence(oid(OID.serverAuth), oid(OID.clientAuth))),
    extension(OID.subjectAltName, false, sequence(altName(hostName))),
    extension(OID.subjectKeyIdentifier, false, octets(latin1(keyIdOf(publicKey)))),
    extension(OID.authorityKeyIdentifier, false, sequence(context(0, latin1(signer.keyId)))),
  ]
  return signed(signer, subject, publicKey, extensions, validity)
}

/** Reads what is needed to sign in the name of an authority from its certificate. */
export function readIssuer(certificate: Buffer, key: KeyObject): Issuer {
  const tbs = children(children(asn1().fromDer(certificate.toString('latin1')))[0])
  // RFC 5280 §4.1: version [0], serialNumber, signature, issuer, validity, subject, …
  const subject = tbs[5]
  if (!subject) throw new TypeError('the certificate has no subject')
  return { subject, keyId: keyIdOf(createPublicKey(key)), key }
}

/** RFC 5280 §4.1 */
function signed(issuer: Issuer, subject: Asn1, publicKey: KeyObject, extensions: Asn1[], validity: Validity = validNow()): string {
  const algorithm =
    issuer.key.asymmetricKeyType === 'ec'
      ? sequence(oid(OID.ecdsaWithSha256))
      : sequence(oid(OID.sha256WithRsa), node(UNIVERSAL, 5, false, ''))
  const serial = randomBytes(16)
  // §4.1.2.2: positive, and not empty of leading bits
  serial[0] = (serial[0]! & 0x7f) | 0x40
  const tbs = sequence(
    context(0, [integer('\x02')]),
    integer(latin1(serial)),
    algorithm,
    issuer.subject,
    sequence(time(validity.from), time(validity.to)),
    subject,
    asn1().fromDer(latin1(publicKey.export({ type: 'spki', format: 'der' }))),
    context(3, [sequence(...extensions)]),
  )
  const signature = sign('sha256', der(tbs), issuer.key)
  return pem(der(sequence(tbs, algorithm, bits(`\0${latin1(signature)}`))))
}

/** A day back, for clocks that differ; three weeks on, for runs that last. */
function validNow(): Validity {
  return { from: Date.now() - DAY, to: Date.now() + 21 * DAY }
}

/** RFC 5280 §4.2.1.2, method 1: the SHA-1 of the public key's bits. */
function keyIdOf(publicKey: KeyObject): Buffer {
  const spki = children(asn1().fromDer(latin1(publicKey.export({ type: 'spki', format: 'der' }))))
  const { bitStringContents, value } = spki[1] ?? { value: '' }
  // The first octet of a BIT STRING counts unused bits.
  return createHash('sha1')
    .update((bitStringContents ?? (typeof value === 'string' ? value : '')).slice(1), 'latin1')
    .digest()
}

/** RFC 5280 §4.2.1.6: dNSName [2] or iPAddress [7]. */
function altName(hostName: string): Asn1 {
  const host = hostName.replace(/%.*$/, '')
  const family = isIP(host)
  if (family === 4) return context(7, latin1(Buffer.from(host.split('.').map(Number))))
  if (family === 6) return context(7, latin1(ipv6Bytes(host)))
  return context(2, domainToASCII(host) || host)
}

function ipv6Bytes(host: string): Buffer {
  const [head = '', tail] = host.split('::')
  const front = groups(head)
  const back = tail === undefined ? [] : groups(tail)
  const zeros = Array<number>(8 - front.length - back.length).fill(0)
  return Buffer.from([...front, ...zeros, ...back].flatMap(group => [group >> 8, group & 0xff]))
}

function groups(part: string): number[] {
  if (part === '') return []
  return part.split(':').flatMap(group => {
    if (!group.includes('.')) return [parseInt(group, 16)]
    const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
    return [(a << 8) | b, (c << 8) | d]
  })
}

function extension(id: string, critical: boolean, value: Asn1): Asn1 {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(latin1(der(value))))
}

function nameOf(commonName: string): Asn1 {
  return sequence(node(UNIVERSAL, 17, true, [sequence(oid(OID.commonName), node(UNIVERSAL, 12, false, latin1(Buffer.from(commonName))))]))
}

function node(tagClass: number, type: number, constructed: boolean, value: string | Asn1[]): Asn1 {
  return asn1().create(tagClass, type, constructed, value)
}
const sequence = (...items: Asn1[]): Asn1 => node(UNIVERSAL, 16, true, items)
const context = (tag: number, value: string | Asn1[]): Asn1 => node(CONTEXT, tag, typeof value !== 'string', value)
const integer = (bytes: string): Asn1 => node(UNIVERSAL, 2, false, bytes)
const boolean = (value: boolean): Asn1 => node(UNIVERSAL, 1, false, value ? '\xff' : '\0')
const bits = (bytes: string): Asn1 => node(UNIVERSAL, 3, false, bytes)
const octets = (bytes: string): Asn1 => node(UNIVERSAL, 4, false, bytes)
const oid = (id: string): Asn1 => node(UNIVERSAL, 6, false, asn1().oidToDer(id).getBytes())
const time = (at: number): Asn1 => node(UNIVERSAL, 23, false, asn1().dateToUtcTime(new Date(at)))
const der = (item: Asn1): Buffer => Buffer.from(asn1().toDer(item).getBytes(), 'latin1')
const latin1 = (bytes: Buffer): string => bytes.toString('latin1')

function children(item: Asn1 | undefined): Asn1[] {
  return Array.isArray(item?.value) ? item.value : []
}

function pem(bytes: Buffer): string {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}
