import { TLSSocket } from 'node:tls'
import type { EngineContext } from '../engine-context.ts'
import { falseContext } from '../tls/false-certificate.ts'
import type { FalseCertificate } from '../rule/tls-fault.ts'
import { Leg } from './leg.ts'

/** Answers the client's TLS handshake as the host it meant, or with a false certificate; `undefined` if the client does not agree. */
export function takeOffTls(
  engine: EngineContext,
  client: Leg,
  host: string,
  alpn: string | undefined,
  certificate?: FalseCertificate,
): Promise<Leg | undefined> {
  return new Promise(resolve => {
    const below = engine.network.beneathTls(client)
    const stream = new TLSSocket(below.stream, {
      isServer: true,
      secureContext: certificate ? falseContext(certificate, host, engine.authority) : engine.authority.secureContextFor(host),
      ...(alpn ? { ALPNProtocols: [alpn] } : {}),
    })
    Object.assign(stream, { allowHalfOpen: true })
    const leg = new Leg(client.raw, stream, below)
    stream.once('secure', () => resolve(leg))
    stream.once('close', () => resolve(undefined))
    stream.once('_tlsError', (error: Error) => {
      engine.note(undefined, undefined, `the client did not accept the certificate for ${host}: ${error.message}`)
      leg.destroy()
    })
  })
}
