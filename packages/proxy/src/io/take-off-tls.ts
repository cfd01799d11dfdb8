import { TLSSocket } from 'node:tls'
import type { EngineContext } from '../engine-context.ts'
import { Leg } from './leg.ts'

/** Answers the client's TLS handshake as the host it meant; `undefined` if the client does not agree. */
export function takeOffTls(engine: EngineContext, client: Leg, host: string, alpn: string | undefined): Promise<Leg | undefined> {
  return new Promise(resolve => {
    const stream = new TLSSocket(client.raw, {
      isServer: true,
      secureContext: engine.authority.secureContextFor(host),
      ...(alpn ? { ALPNProtocols: [alpn] } : {}),
    })
    Object.assign(stream, { allowHalfOpen: true })
    const leg = new Leg(client.raw, stream)
    stream.once('secure', () => resolve(leg))
    stream.once('close', () => resolve(undefined))
    stream.once('_tlsError', (error: Error) => {
      engine.note(undefined, undefined, `the client did not accept the certificate for ${host}: ${error.message}`)
      leg.destroy()
    })
  })
}
