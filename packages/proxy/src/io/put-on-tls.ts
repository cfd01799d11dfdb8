import { isIP } from 'node:net'
import { connect as tlsConnect, type ConnectionOptions } from 'node:tls'
import type { Inbound } from '../capture/inbound.ts'
import { original } from '../capture/original.ts'
import { MidwireError } from '../errors.ts'
import { Leg } from './leg.ts'
import type { Hello } from './sniff.ts'

/**
 * A TLS handshake towards upstream with the client's own options, which offers these protocols (RFC 7301).
 * @throws the error that the client would have got
 */
export function putOnTls(inbound: Inbound, server: Leg, hello: Hello | undefined, offered: readonly string[]): Promise<Leg> {
  const { host } = inbound.destination
  const own: ConnectionOptions = inbound.tlsOptions() ?? {}
  const { ALPNProtocols: _, ...rest } = own
  return new Promise((resolve, reject) => {
    // As the client asked; one that speaks plainly to us asked for its host. RFC 6066 §3 permits no address there.
    const named = hello ? (hello.serverName ?? own.servername) : (own.servername ?? host)
    const servername = named !== undefined && isIP(named) === 0 ? named : undefined
    const stream = original(tlsConnect)({
      ...rest,
      socket: server.stream,
      host: own.host ?? host,
      ...(servername === undefined ? {} : { servername }),
      ...(offered.length > 0 ? { ALPNProtocols: [...offered] } : {}),
    })
    Object.assign(stream, { allowHalfOpen: true })
    stream.once('error', reject)
    stream.once('secureConnect', () => {
      stream.off('error', reject)
      // In TLS 1.3 the server judges the client's certificate only now (RFC 8446 §4.4.2.4): the client must see that, too.
      stream.once('error', (error: NodeJS.ErrnoException) => {
        if (error.code?.startsWith('ERR_SSL_')) inbound.fail(error)
      })
      resolve(new Leg(server.raw, stream, server))
    })
    stream.once('close', () => reject(new MidwireError('MIDWIRE_PROTOCOL', `${host} closed the connection during the TLS handshake`)))
  })
}
