import type { Socket } from 'node:net'
import { METHODS } from 'node:http'
import { parseClientHello } from '../tls/client-hello.ts'

/** What the first bytes of a connection say that it is. */
export type Sniffed =
  | { readonly kind: 'tls'; readonly serverName: string | undefined; readonly alpn: readonly string[] }
  | { readonly kind: 'http' }
  /** HTTP/2 with prior knowledge (RFC 9113 §3.3). */
  | { readonly kind: 'http2' }
  /** Neither: a server that speaks first, another protocol, or a connection that ended without a byte. */
  | { readonly kind: 'other' }

/** The ClientHello of a client that begins TLS. */
export type Hello = Extract<Sniffed, { kind: 'tls' }>

/** Longest request line that is waited for; llhttp itself refuses longer heads. */
const longestRequestLine = 64 * 1024
const methods = new Set(METHODS)
/** RFC 9113 §3.4: what an HTTP/2 client says first. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')
const space = 0x20
const lineFeed = 0x0a

/**
 * Looks at the first bytes without taking them: whatever was read is put back. Settles 'other' as soon as `server` speaks before
 * the client does, unless it speaks HTTP/2, whose servers may.
 */
export function sniff(client: Socket, server: Socket | undefined): Promise<Sniffed> {
  return new Promise(resolve => {
    let seen: Buffer = Buffer.alloc(0)
    let heard = 0
    const settle = (result: Sniffed): void => {
      client.off('readable', onClient).off('end', onEnd).off('close', onEnd)
      server?.off('readable', onServer).off('end', onServer).off('close', onServer)
      if (seen.length > 0) client.unshift(seen)
      resolve(result)
    }
    const onClient = (): void => {
      let chunk: Buffer | null
      while ((chunk = client.read() as Buffer | null)) seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk])
      if (seen.length === 0) return
      const result = classify(seen)
      if (result) settle(result)
    }
    const onEnd = (): void => settle({ kind: 'other' })
    const onServer = (): void => {
      if (!server) return
      // An end shows only to who reads.
      if (server.readableLength === 0) server.read(0)
      if (server.readableEnded || server.destroyed) return onEnd()
      // Putting back what was looked at is told as 'readable', too.
      if (server.readableLength === heard) return
      heard = server.readableLength
      if (!saysSettings(peek(server))) settle({ kind: 'other' })
    }
    client.on('readable', onClient).on('end', onEnd).on('close', onEnd)
    server?.on('readable', onServer).on('end', onServer).on('close', onServer)
    if (client.destroyed || client.readableEnded) onEnd()
    else onClient()
  })
}

/** What a stream has buffered, which stays there. */
function peek(stream: Socket): Buffer {
  const bytes = stream.read() as Buffer
  stream.unshift(bytes)
  return bytes
}

/** True for a SETTINGS frame that is no acknowledgement: what an HTTP/2 server says first, maybe before its client (RFC 9113 §3.4, §6.5). */
function saysSettings(bytes: Buffer): boolean {
  const [type, ...flagsAndStream] = bytes.subarray(3, 9)
  return bytes.length >= 9 && bytes.readUIntBE(0, 3) % 6 === 0 && type === 4 && flagsAndStream.every(byte => byte === 0)
}

/** `undefined` while the bytes could still become TLS or HTTP. */
export function classify(bytes: Buffer): Sniffed | undefined {
  if (bytes[0] === 0x16) {
    const hello = parseClientHello(bytes)
    switch (hello.kind) {
      case 'hello':
        return { kind: 'tls', serverName: hello.serverName, alpn: hello.alpn }
      case 'not-tls':
        return { kind: 'other' }
      case 'incomplete':
        return undefined
    }
  }
  if (bytes.length >= preface.length && preface.equals(bytes.subarray(0, preface.length))) return { kind: 'http2' }
  if (preface.subarray(0, bytes.length).equals(bytes)) return undefined
  // RFC 9112 §3: method SP request-target SP HTTP-version CRLF. Other line protocols have a GET, too, so the whole line decides.
  const end = bytes.indexOf(lineFeed)
  const firstSpace = bytes.indexOf(space)
  if (firstSpace >= 0 && !methods.has(bytes.toString('latin1', 0, firstSpace))) return { kind: 'other' }
  if (firstSpace < 0 && !couldBeMethod(bytes)) return { kind: 'other' }
  if (end < 0) return bytes.length > longestRequestLine ? { kind: 'other' } : undefined
  return /^[A-Z-]+ [^ ]+ HTTP\/1\.[01]\r?$/.test(bytes.toString('latin1', 0, end)) ? { kind: 'http' } : { kind: 'other' }
}

function couldBeMethod(bytes: Buffer): boolean {
  const start = bytes.toString('latin1', 0, 32)
  return METHODS.some(method => method.startsWith(start))
}
