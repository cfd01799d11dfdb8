import type { Socket } from 'node:net'
import { isIPv6 } from 'node:net'
import { refused, unreachable } from '../io/connect-errors.ts'
import { MidwireError, messageOf } from '../errors.ts'
import { UpstreamLink } from '../http/upstream-link.ts'
import { Leg } from '../io/leg.ts'
import { takeBytes } from '../io/take-bytes.ts'
import type { Destination } from './inbound.ts'
import { addressType, command, credentialsVersion, message, method, reply, replyText, socksVersion } from './socks5.ts'

/** A proxy that the engine's own connections go through. */
export interface UpstreamProxy {
  readonly kind: 'http' | 'socks5'
  readonly host: string
  readonly port: number
  readonly credentials: { readonly username: string; readonly password: string } | undefined
  /** As written, without its credentials. */
  readonly text: string
}

/** What is wrong with the URL of an upstream proxy; `undefined` if nothing is. */
export function upstreamProxyFault(url: unknown): string | undefined {
  const expected = "expected the URL of a proxy, such as 'http://user:password@host:8080' or 'socks5://host:1080'"
  if (typeof url !== 'string' || !URL.canParse(url)) return `${expected}, got ${JSON.stringify(url)}`
  const { protocol, hostname, pathname, search, hash, username, password } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'socks5:' && protocol !== 'socks5h:') return `${expected}, got ${protocol}`
  if (hostname === '' || (pathname !== '' && pathname !== '/') || search !== '' || hash !== '')
    return `${expected}, and nothing behind the port`
  const isLong = [username, password].some(text => Buffer.byteLength(decodeURIComponent(text)) > 255)
  return isLong && protocol !== 'http:' ? 'SOCKS 5 has 255 bytes for a user name, and as many for a password' : undefined
}

/** @throws MidwireError MIDWIRE_BAD_INPUT */
export function parseUpstreamProxy(url: string): UpstreamProxy {
  const fault = upstreamProxyFault(url)
  if (fault !== undefined) throw new MidwireError('MIDWIRE_BAD_INPUT', `upstreamProxy: ${fault}`)
  const { protocol, hostname, port, username, password } = new URL(url)
  const kind = protocol === 'http:' ? 'http' : 'socks5'
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  const number = Number(port || (kind === 'http' ? 80 : 1080))
  const hasCredentials = username !== '' || password !== ''
  return {
    kind,
    host,
    port: number,
    credentials: hasCredentials ? { username: decodeURIComponent(username), password: decodeURIComponent(password) } : undefined,
    text: `${protocol}//${hostname}:${number}`,
  }
}

/**
 * Asks the proxy at the other end of `socket` to connect it to `to`; names are looked up there.
 * @throws what a direct connect would have thrown, where SOCKS tells; else MidwireError MIDWIRE_PROTOCOL, which names the proxy
 */
export async function connectThrough(socket: Socket, proxy: UpstreamProxy, to: Destination, gone: AbortSignal): Promise<Socket> {
  const giveUp = (): void => void socket.destroy()
  gone.addEventListener('abort', giveUp)
  try {
    if (gone.aborted) throw gone.reason
    await (proxy.kind === 'http' ? askHttp(socket, proxy, to) : askSocks(socket, proxy, to))
    return socket
  } catch (error) {
    socket.destroy()
    throw gone.aborted ? gone.reason : error
  } finally {
    gone.removeEventListener('abort', giveUp)
  }
}

/** RFC 9110 §9.3.6. */
function askHttp(socket: Socket, proxy: UpstreamProxy, { host, port }: Destination): Promise<void> {
  const authority = `${isIPv6(host) ? `[${host}]` : host}:${port}`
  const { credentials } = proxy
  const basic = credentials && Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')
  const headers = ['Host', authority, ...(basic === undefined ? [] : ['Proxy-Authorization', `Basic ${basic}`])]
  const request = new UpstreamLink(new Leg(socket)).request('CONNECT', authority, headers)
  return new Promise((resolve, reject) => {
    request.on('connect', ({ statusCode = 0, statusMessage }, _socket, head) => {
      if (statusCode < 200 || statusCode > 299)
        return reject(failure(proxy, `answered CONNECT ${authority} with ${statusCode} ${statusMessage}`))
      if (head.length > 0) socket.unshift(head)
      resolve()
    })
    request.on('response', ({ statusCode, statusMessage }) =>
      reject(failure(proxy, `answered CONNECT ${authority} with ${statusCode} ${statusMessage}`)),
    )
    request.on('error', error => reject(failure(proxy, `did not answer CONNECT ${authority}: ${messageOf(error)}`)))
    request.end()
  })
}

/** RFC 1928 §3–§6, RFC 1929. */
async function askSocks(socket: Socket, proxy: UpstreamProxy, to: Destination): Promise<void> {
  const take = async (length: number): Promise<Buffer> => {
    const bytes = await takeBytes(socket, length)
    if (!bytes) throw failure(proxy, `ended the connection before it had answered for ${to.host}:${to.port}`)
    return bytes
  }
  const { credentials } = proxy
  const methods = credentials ? [method.none, method.usernamePassword] : [method.none]
  socket.write(Buffer.from([socksVersion, methods.length, ...methods]))
  const [version, chosen] = await take(2)
  if (version !== socksVersion) throw failure(proxy, 'does not speak SOCKS 5')
  if (chosen === method.usernamePassword && credentials) {
    const [username, password] = [Buffer.from(credentials.username), Buffer.from(credentials.password)]
    socket.write(Buffer.concat([Buffer.from([credentialsVersion, username.length]), username, Buffer.from([password.length]), password]))
    const [, status] = await take(2)
    if (status !== 0) throw failure(proxy, 'refused the credentials of its URL')
  } else if (chosen !== method.none) {
    throw failure(proxy, credentials ? 'accepts neither credentials nor their absence' : 'needs credentials; give them in its URL')
  }
  socket.write(message(command.connect, to))
  const [, code = -1, , type] = await take(4)
  await take(2 + (type === addressType.ipv6 ? 16 : type === addressType.domain ? ((await take(1))[0] ?? 0) : 4))
  if (code === reply.succeeded) return
  if (code === reply.connectionRefused) throw refused(to.host, to.port)
  if (code === reply.networkUnreachable) throw unreachable('ENETUNREACH', to.host, to.port)
  if (code === reply.hostUnreachable) throw unreachable('EHOSTUNREACH', to.host, to.port)
  throw failure(proxy, `answered for ${to.host}:${to.port}: ${replyText(code)}`)
}

function failure(proxy: UpstreamProxy, text: string): MidwireError {
  return new MidwireError('MIDWIRE_PROTOCOL', `the upstream proxy ${proxy.text} ${text}`)
}
