import { createHash, createPublicKey, randomBytes, sign } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import { domainToASCII } from 'node:url'
import type { AuthorityNames } from './authority-names.ts'
import { wallTime } from './wall-time.ts'

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
  organization: '2.5.4.10',
  organizationalUnit: '2.5.4.11',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
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

/** Makes the certificate of an authority that signs itself, in PEM (RFC 5280 §4.2.1.9): it says what it is, and whose. */
export function makeAuthorityCertificate(key: KeyObject, names?: AuthorityNames): string {
  const publicKey = createPublicKey(key)
  const keyId = keyIdOf(publicKey)
  const subject = nameOf({
    organization: 'Midwire',
    organizationalUnit: `process ${process.pid} at ${new Date(wallTime()).toISOString()}`,
    commonName: 'Midwire test authority (not for production)',
  })
  return signed({ subject, keyId, key }, subject, publicKey, [
    extension(OID.basicConstraints, true, sequence(boolean(true), integer('\0'))),
    // keyCertSign(5), cRLSign(6)
    extension(OID.keyUsage, true, bits('\x01\x06')),
    extension(OID.extKeyUsage, false, sequence(oid(OID.serverAuth))),
    extension(OID.subjectKeyIdentifier, false, octets(latin1(keyId))),
    ...(names ? [extension(OID.nameConstraints, true, constraintsOf(names))] : []),
  ])
}

/** RFC 5280 §4.2.1.10. A kind of name of which none is permitted is excluded as a whole: otherwise all of that kind would do. */
function constraintsOf({ dns, addresses }: AuthorityNames): Asn1 {
  const permitted = [
    ...dns.map(name => context(2, name)),
    ...addresses.map(address => context(7, latin1(withMask(addressBytes(address), 0xff)))),
  ]
  const none = [
    ...(dns.length > 0 ? [] : [context(2, '')]),
    ...[4, 16]
      .filter(size => !addresses.some(address => addressBytes(address).length === size))
      .map(size => context(7, latin1(withMask(Buffer.alloc(size), 0)))),
  ]
  const subtrees = (tag: number, names: Asn1[]): Asn1[] =>
    names.length > 0
      ? [
          context(
            tag,
            names.map(name => sequence(name)),
          ),
        ]
      : []
  return sequence(...subtrees(0, permitted), ...subtrees(1, none))
}

function withMask(address: Buffer, mask: number): Buffer {
  return Buffer.concat([address, Buffer.alloc(address.length, mask)])
}

/** From when to when a certificate is valid, in ms since 1970. */
export interface Validity {
  readonly from: number
  readonly to: number
}

export interface LeafOptions {
  /** @default a week from now */
  readonly validity?: Validity
  /** RFC 5280 §4.2.1.12. @default 'serverAuth' */
  readonly usage?: 'serverAuth' | 'clientAuth'
}

/**
 * Makes the certificate of a TLS server for one DNS name or IP literal, in PEM.
 *
 * @param issuer who signs it; a private key: that of the certificate itself
 */
export function makeLeafCertificate(
  hostName: string,
  publicKey: KeyObject,
  issuer: Issuer | KeyObject,
  { validity = validNow(), usage = 'serverAuth' }: LeafOptions = {},
): string {
  // OpenSSL holds an address in the common name against the constraints on DNS names.
  const subject = nameOf(isIP(hostName) === 0 ? { commonName: hostName.slice(0, 64) } : { organization: 'Midwire' })
  const signer = 'subject' in issuer ? issuer : { subject, keyId: keyIdOf(publicKey), key: issuer }
  const extensions = [
    extension(OID.basicConstraints, true, sequence()),
    // digitalSignature(0), keyEncipherment(2): the latter for clients that offer nothing but RSA key exchange
    extension(OID.keyUsage, true, bits('\x05\xa0')),
    extension(OID.extKeyUsage, false, sequence(oid(OID[usage]))),
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

/** How long a certificate is valid, in ms: longer than any run, and no longer than needed if its key should get out. */
export const lifetime: number = 7 * DAY

/** A day back, for clocks that differ. */
function validNow(): Validity {
  return { from: wallTime() - DAY, to: wallTime() + lifetime }
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
  return isIP(host) === 0 ? context(2, domainToASCII(host) || host) : context(7, latin1(addressBytes(host)))
}

function addressBytes(address: string): Buffer {
  return isIP(address) === 4 ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address)
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

function nameOf(attributes: Partial<Record<'organization' | 'organizationalUnit' | 'commonName', string>>): Asn1 {
  const parts = (['organization', 'organizationalUnit', 'commonName'] as const).flatMap(name => {
    const text = attributes[name]
    return text === undefined ? [] : [sequence(oid(OID[name]), node(UNIVERSAL, 12, false, latin1(Buffer.from(text))))]
  })
  return sequence(...parts.map(part => node(UNIVERSAL, 17, true, [part])))
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
