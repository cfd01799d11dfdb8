import type { Socket } from 'node:net'
import type { Inbound } from '../capture/inbound.ts'
import type { Upstream } from '../capture/route.ts'
import { connectThrough } from '../capture/upstream-proxy.ts'
import type { EngineContext } from '../engine-context.ts'
import { messageOf, MidwireError } from '../errors.ts'

/**
 * Connects to what the client meant, or `to` where something stands in for it, through the upstream proxy if there is one; this machine
 * is never reached through another.
 * @throws the error that the client would have got
 */
export async function dialUpstream(engine: EngineContext, inbound: Inbound, to: Upstream | undefined): Promise<Socket> {
  const proxy = engine.options.upstreamProxy
  const { host, port } = to ?? inbound.destination
  if (!proxy || isThisMachine(host)) return inbound.dial(to && { host, port })
  let socket: Socket
  try {
    socket = await inbound.dial({ host: proxy.host, port: proxy.port })
  } catch (cause) {
    if (inbound.gone.aborted) throw cause
    throw new MidwireError('MIDWIRE_PROTOCOL', `the upstream proxy ${proxy.text} cannot be reached: ${messageOf(cause)}`, { cause })
  }
  // A failure between two steps would otherwise be nobody's.
  socket.on('error', () => {})
  return connectThrough(socket, proxy, { host, port }, inbound.gone)
}

function isThisMachine(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost') || host.startsWith('127.') || host === '::1'
}
