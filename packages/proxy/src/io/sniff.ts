import type { Socket } from 'node:net'
import { METHODS } from 'node:http'
import { parseClientHello } from '../tls/client-hello.ts'

/** What the first bytes of a connection say that it is. */
export type Sniffed =
  | { readonly kind: 'tls'; readonly serverName: string | undefined; readonly alpn: readonly string[] }
  | { readonly kind: 'http' }
  /** Neither: a server that speaks first, another protocol, or a connection that ended without a byte. */
  | { readonly kind: 'other' }

/** The ClientHello of a client that begins TLS. */
export type Hello = Extract<Sniffed, { kind: 'tls' }>

/** Longest request line that is waited for; llhttp itself refuses longer heads. */
const longestRequestLine = 64 * 1024
const methods = new Set(METHODS)
const space = 0x20
const lineFeed = 0x0a

/**
 * Looks at the first bytes without taking them: whatever was read is put back. Settles 'other' as soon as `server` speaks before
 * the client does.
 */
export function sniff(client: Socket, server: Socket | undefined): Promise<Sniffed> {
  return new Promise(resolve => {
    let seen: Buffer = Buffer.alloc(0)
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
      if (server.readableLength > 0 || server.readableEnded || server.destroyed) settle({ kind: 'other' })
    }
    client.on('readable', onClient).on('end', onEnd).on('close', onEnd)
    server?.on('readable', onServer).on('end', onServer).on('close', onServer)
    if (client.destroyed || client.readableEnded) onEnd()
    else onClient()
  })
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
