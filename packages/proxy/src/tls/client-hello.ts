/** What the first bytes of a connection say about TLS. */
export type ClientHello =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'not-tls' }
  | {
      readonly kind: 'hello'
      /** The host name the client asks for (RFC 6066 §3); none for IP literals. */
      readonly serverName: string | undefined
      /** Protocols offered (RFC 7301), in the client's order. */
      readonly alpn: readonly string[]
    }

const incomplete: ClientHello = { kind: 'incomplete' }
const notTls: ClientHello = { kind: 'not-tls' }

/** Reads the TLS ClientHello at the start of `bytes`, which may be spread over several records. Takes nothing from the input. */
export function parseClientHello(bytes: Uint8Array): ClientHello {
  const hello = handshake(bytes)
  if (hello === undefined) return incomplete
  if (hello === null) return notTls
  return readHello(hello)
}

/** The body of the ClientHello; `undefined` if it has not fully arrived, `null` if it cannot be one. */
function handshake(bytes: Uint8Array): Uint8Array | undefined | null {
  const parts: Uint8Array[] = []
  let have = 0
  let want = Infinity
  for (let at = 0; ;) {
    // RFC 8446 §5.1: ContentType handshake(22), legacy_record_version 0x03xx, length ≤ 2^14
    if (at < bytes.length && bytes[at] !== 22) return null
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) return null
    if (at + 5 > bytes.length) return undefined
    const length = uint16(bytes, at + 3)
    if (length === 0 || length > 0x4000) return null
    const record = bytes.subarray(at + 5, at + 5 + length)
    parts.push(record)
    have += record.length
    const head = parts.length === 1 ? record : have <= 4 + record.length ? concat(parts) : undefined
    if (head && have >= 1 && head[0] !== 1) return null // RFC 8446 §4: client_hello(1)
    if (head && have >= 4) want = 4 + (head[1]! << 16 | uint16(head, 2)) // prettier-ignore
    if (have >= want) return concat(parts).subarray(4, want)
    if (record.length < length) return undefined
    at += 5 + length
  }
}

/** RFC 8446 §4.1.2 */
function readHello(hello: Uint8Array): ClientHello {
  let at = 2 + 32 // legacy_version, random
  at += 1 + byte(hello, at) // legacy_session_id
  at += 2 + uint16(hello, at) // cipher_suites
  at += 1 + byte(hello, at) // legacy_compression_methods
  if (at > hello.length) return notTls
  let serverName: string | undefined
  let alpn: string[] = []
  const end = Math.min(hello.length, at + 2 + uint16(hello, at))
  for (at += 2; at + 4 <= end;) {
    const type = uint16(hello, at)
    const body = hello.subarray(at + 4, at + 4 + uint16(hello, at + 2))
    if (type === 0) serverName = readServerName(body)
    if (type === 16) alpn = readAlpn(body)
    at += 4 + body.length
  }
  return { kind: 'hello', serverName, alpn }
}

/** RFC 6066 §3: a list of (type, length, name), of which host_name(0) is the only type. */
function readServerName(body: Uint8Array): string | undefined {
  for (let at = 2; at + 3 <= body.length; at += 3 + uint16(body, at + 1)) {
    if (body[at] === 0) return ascii(body.subarray(at + 3, at + 3 + uint16(body, at + 1)))
  }
  return undefined
}

/** RFC 7301 §3.1 */
function readAlpn(body: Uint8Array): string[] {
  const names: string[] = []
  for (let at = 2; at < body.length; at += 1 + byte(body, at)) names.push(ascii(body.subarray(at + 1, at + 1 + byte(body, at))))
  return names
}

function byte(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0
}

function uint16(bytes: Uint8Array, at: number): number {
  return (byte(bytes, at) << 8) | byte(bytes, at + 1)
}

function ascii(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1')
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts)
}
